"""How does Sphinx build the book? The sources are those that `assemble` wrote."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from book import assemble

project = "IceNet compendium"
author = "The IceNet compendium developers"
extensions = ["myst_nb", "sphinx_design"]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb"}
exclude_patterns = ["files/**"]
nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["colon_fence", "dollarmath", "deflist", "attrs_inline", "smartquotes"]
myst_heading_anchors = 4
myst_links_external_new_tab = False
highlight_language = "none"
nitpicky = False
numfig = False
# Annotations name classes without their module, and two modules may have one of a name.
suppress_warnings = ["ref.python"]
python_display_short_literal_types = True
add_module_names = False
toc_object_entries = False
modindex_common_prefix = ["seaice."]

html_theme = "sphinx_book_theme"
html_title = project
html_static_path = ["_static"]
html_css_files = ["book.css"]
html_last_updated_fmt = ""
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "show_toc_level": 2,
    "home_page_in_toc": True,
    "use_download_button": False,
    "show_navbar_depth": 1,
    "navigation_with_keys": False,
}
# Buttons that need an address on the web: they appear once CITATION.cff has one.
if address := assemble.address():
    html_theme_options |= {
        "repository_url": address,
        "repository_branch": "main",
        "use_repository_button": True,
        "use_issues_button": True,
        "launch_buttons": {
            "binderhub_url": "https://mybinder.org",
            "colab_url": "https://colab.research.google.com",
        },
    }
