"""A training pass by hand for LoRA on Llama-family models on the CPU."""
