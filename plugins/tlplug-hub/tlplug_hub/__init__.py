"""TensorFlow Hub for tlplug: any TF2 SavedModel as a backbone, trainable and saved inside the model."""
