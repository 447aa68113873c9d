"""The presets: one YAML file each, in the folder of its tier."""
