"""A model as one file that programs without Headway run: ONNX, or a program of torch."""
