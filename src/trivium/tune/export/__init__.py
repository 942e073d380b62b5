"""What leaves the tuning room: merged folders, GGUF, ONNX, smaller models."""
