"""Trains DreamNet on procedurally rendered images, and distills classifiers into it; not part of the wheel.

`render` draws the training images, `train` trains on them, `judge` measures trained weights, `render_sheet` shows the
classes. `distill` adds groups of the classes that a classifier of photographs knows, with the photographs that
`photographs` extracts; `group_judge` and `group_sheet` measure and show dreams of them. What runs is in
`dreamvideo.models.dreamnet`; the model card there describes the training.
"""
