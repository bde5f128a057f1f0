"""Real, tested implementations of the architectures and methods of the course.

layers, models     what networks are made of, and the networks, one family a file
data, analysis     data sets (offline first) and what can be measured of a model
autograd           a tape autograd on NumPy arrays, small enough to read in one sitting
theme, plots       one palette for matplotlib, plotly, widgets and pages; figures that follow the page
widgets            interactive figures: live in Jupyter, alive without a kernel in the built book
seed               seeding of every random generator a chapter uses

Nothing is imported here: `from companion.models.perceptron import Perceptron`.
"""

__version__ = "0.1.0"
