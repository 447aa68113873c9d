"""`generate` around this model: its own caches, memories that outlive a query, the model's own chain as a drafter.

Phases are kept by `phased_generation.py`, drafts made by `speculation.py`.
"""

from transformers.cache_utils import Cache

from .memories import commit_memories, forget_queries
from .phased_generation import PhasedGenerationMixin
from .speculation import ChainDrafter


class EulerStackGenerationMixin(PhasedGenerationMixin):
    """As transformers' `GenerationMixin`, of which it overrides where caches are prepared and drafters chosen."""

    _generation_cache: Cache | None = None
    """What `generate` runs on, while it runs."""

    def commit_memory(self, past_key_values: Cache) -> None:
        """Keep what persistent memories hold in a cache for good, in buffers: the mean over the cache's rows."""
        commit_memories(self.model, past_key_values)

    def generate(self, *args, **kwargs):
        """As transformers does; when it ends, persistent memories keep what was written, beams included."""
        try:
            generated = super().generate(*args, **kwargs)
            if self._generation_cache is not None:
                self.commit_memory(self._generation_cache)
        finally:
            self._generation_cache = None
        return generated

    def _get_candidate_generator(
        self, generation_config, input_ids, inputs_tensor, logits_processor, model_kwargs, *args, **kwargs
    ):
        """As transformers does, but with `use_mtp` the model's own chain drafts. Raises ValueError where it cannot."""
        if not generation_config.use_mtp:
            return super()._get_candidate_generator(  # type: ignore[misc]
                generation_config, input_ids, inputs_tensor, logits_processor, model_kwargs, *args, **kwargs
            )
        if not self.model.mtp:
            raise ValueError("use_mtp: the spec's head is not causal_lm_mtp, so that there is nothing to draft with")
        if not model_kwargs["past_key_values"].is_croppable:
            raise ValueError(
                "use_mtp: this model keeps state that cannot be rolled back, so it can only train its chain"
            )
        return ChainDrafter(self, generation_config, logits_processor)

    def _prepare_cache_for_generation(
        self, generation_config, model_kwargs, generation_mode, batch_size, max_cache_length
    ):
        """As transformers does, but with this model's own cache where it would build its default one.

        A cache that was used before brings a new query to its memories.
        """
        own = (
            model_kwargs.get("past_key_values") is None
            and generation_config.use_cache is not False
            and generation_config.cache_implementation in (None, "dynamic")
        )
        if (given := model_kwargs.get("past_key_values")) is not None:
            forget_queries(given)
            self._generation_cache = given
        if own:
            model_kwargs["past_key_values"] = cache = self.model.build_cache()
            self._generation_cache = cache
            if generation_config.is_assistant:
                cache.activate_past_recording()
            return
        super()._prepare_cache_for_generation(  # type: ignore[misc]
            generation_config, model_kwargs, generation_mode, batch_size, max_cache_length
        )
