"""Trains DreamNet from scratch on procedurally rendered images, and judges the result; not part of the wheel.

`render` draws the training images, `train` trains on them, `judge` measures trained weights, `render_sheet` shows the
classes. What runs is in `dreamvideo.models.dreamnet`; the model card there describes the training.
"""
