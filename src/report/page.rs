//! The templates, compiled in, and the page that all of them fill.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};
use serde::Serialize;
use sha2::{Digest, Sha256};
use thiserror::Error;

/// The templates by name. What extends `page.html` fills its blocks `lead` and `body`.
const TEMPLATES: &[(&str, &str)] = &[
    ("page.html", include_str!("templates/page.html")),
    ("figure.html", include_str!("templates/figure.html")),
    ("suite.html", include_str!("templates/suite.html")),
    ("fit_report.html", include_str!("templates/fit_report.html")),
    ("style.css", include_str!("templates/style.css")),
    ("script.js", SCRIPT),
];

const SCRIPT: &str = include_str!("templates/script.js");

/// A template that does not fit what it was given.
#[derive(Debug, Error)]
#[error("the page cannot be made: {0:#}")]
pub struct PageError(#[from] minijinja::Error);

/// The template `name` filled with `values`, such as a title. Text is escaped wherever a template does not say that it
/// is HTML, and what a template names but `values` lacks is an error.
pub fn render(name: &str, values: impl Serialize) -> Result<String, PageError> {
    Ok(environment().get_template(name)?.render(Value::from(Serde(values)))?)
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|name| match name.rsplit_once('.') {
        Some((_, "css" | "js")) => AutoEscape::None,
        _ => AutoEscape::Html,
    });
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    for (name, source) in TEMPLATES {
        environment.add_template(name, source).expect("the templates are well-formed, as the tests see");
    }
    environment.add_global("version", env!("CARGO_PKG_VERSION"));
    environment.add_global("script_hash", Value::from_safe_string(script_hash()));
    environment
}

/// By which a browser knows the page's own script from one that came in with somebody's text.
fn script_hash() -> String {
    // As the template has it: the template engine drops one newline at a template's end.
    let script = SCRIPT.strip_suffix('\n').unwrap_or(SCRIPT);
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(script)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use minijinja::context;

    /// The page that all templates extend.
    fn page(title: &str) -> String {
        render("page.html", context! { title }).unwrap()
    }

    #[test]
    fn a_title_is_text() {
        let page = page("a < b & \"c\"");
        assert!(page.contains("<title>a &lt; b &amp; &quot;c&quot;</title>"), "{page}");
        assert!(page.starts_with("<!doctype html>"));
    }

    #[test]
    fn the_script_that_is_allowed_is_the_one_in_the_page() {
        let page = page("title");
        let script = page.split_once("<script>").unwrap().1.split_once("</script>").unwrap().0;
        let hash = BASE64_STANDARD.encode(Sha256::digest(script));
        assert!(page.contains(&format!("script-src 'sha256-{hash}'")), "{hash}");
    }

    #[test]
    fn a_page_names_no_other_place() {
        let page = page("title");
        assert!(
            !page.contains("http:") && !page.contains("https:") && !page.contains("src=") && !page.contains("url(")
        );
    }

    #[test]
    fn a_template_that_is_not_filled_is_an_error() {
        assert!(render("page.html", context! {}).is_err());
    }
}
