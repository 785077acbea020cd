"""How Sphinx builds the site: ``make docs``."""

from importlib.metadata import version as version_of

project = "buildbot-koji"
author = "the engineers of buildbot-koji"
copyright = f"2026, {author}"  # noqa: A001 - Sphinx's name
release = version = version_of("buildbot-koji")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]
nitpicky = True
# Types of others, whose inventories are not at hand where the site is built.
nitpick_ignore_regex = [
    (r"py:.*", r"(?!txkoji|buildbot_koji).*"),
    # What is not promised has no page: its docstrings are for those who read the code.
    (r"py:.*", r"txkoji\._.*"),
    (r"py:.*", r"txkoji\.(bus|files|history|hub|submission|watching|testing)\..*"),
    (r"py:.*", r"txkoji\.(connection|rich|task_info)\..*"),
    (r"py:.*", r"txkoji\.(aio\.T|elapsed\.T|locks\._Flat)"),
    (r"py:.*", r"buildbot_koji\..*"),
]

html_theme = "furo"
html_title = f"buildbot-koji {release}"
html_static_path = ["_static"]
html_css_files = ["wide.css"]
# What is copied are commands and code, without the prompts.
copybutton_exclude = ".linenos, .gp, .go"

autodoc_member_order = "bysource"
autodoc_typehints = "description"
# The parameters of a dataclass are its attributes, which are documented as such.
autodoc_typehints_description_target = "documented_params"
autodoc_default_options = {"members": True, "undoc-members": False, "show-inheritance": True}
napoleon_use_ivar = True
napoleon_numpy_docstring = False

# Pages on machines that a build may not reach are looked at by hand.
linkcheck_ignore = [
    r"https?://(localhost|127\.0\.0\.1).*",
    r"https?://[\w.]*example\.(com|test|org).*",
]
