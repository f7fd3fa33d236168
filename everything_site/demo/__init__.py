"""What Everything Server demonstrates: tools, resources, prompts and apps, on the engine."""
