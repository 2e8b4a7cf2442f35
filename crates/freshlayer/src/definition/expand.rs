/// Where `${VAR}` is looked up. Only binaries read the environment; they pass it in here.
pub type Variables<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Fills in `${VAR}` and `${VAR:-default}`; an empty variable counts as unset, as in a shell.
///
/// # Errors
/// A sentence that names the variable that is not set, or the brace that is not closed.
pub(super) fn expand(text: &str, variables: &Variables<'_>) -> Result<String, String> {
    fill(text, |name, default| {
        let value = variables(name).filter(|value| !value.is_empty());
        value.or_else(|| default.map(str::to_owned)).ok_or_else(|| {
            format!("`{name}` is not set in the environment; set it, or write ${{{name}:-default}}")
        })
    })
}

/// Returns what a text says by itself: defaults, and nothing in the place of other variables.
pub(super) fn literal(text: &str) -> String {
    let itself = fill(text, |_, default| Ok(default.unwrap_or_default().to_owned()));
    itself.unwrap_or_else(|_| text.to_owned())
}

fn fill(
    text: &str,
    value: impl Fn(&str, Option<&str>) -> Result<String, String>,
) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        filled.push_str(&rest[..start]);
        let inside = &rest[start + 2..];
        let end = inside.find('}').ok_or_else(|| format!("`${{` is not closed in {text:?}"))?;
        let (name, default) = match inside[..end].split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (&inside[..end], None),
        };
        filled.push_str(&value(name, default)?);
        rest = &inside[end + 1..];
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_host(name: &str) -> Option<String> {
        (name == "HOST").then(|| "example.org".to_owned())
    }

    #[test]
    fn variables_and_defaults_are_filled_in() {
        for (text, expected) in [
            ("https://${HOST}/a", "https://example.org/a"),
            ("${SCHEME:-https}://${HOST}", "https://example.org"),
            ("${NONE:-}x", "x"),
            ("no variable: $HOST {HOST}", "no variable: $HOST {HOST}"),
        ] {
            assert_eq!(expand(text, &with_host).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn a_text_by_itself_has_defaults_and_no_values() {
        assert_eq!(literal("https://${HOST}${PORT:-:443}/a"), "https://:443/a");
    }

    #[test]
    fn an_unset_variable_and_an_open_brace_are_named() {
        assert!(expand("${NONE}", &with_host).is_err_and(|e| e.contains("`NONE` is not set")));
        assert!(expand("${HOST", &with_host).is_err_and(|e| e.contains("not closed")));
    }
}
