//! The reference of all settings, `docs/settings.md`, made from the types.

use std::fmt::Write as _;

use serde_json::Value;

use super::{
    env::{PROCESS, UPSTREAM},
    tree::{ALIASES, Form, Known, Leaf, Node, tree},
};

const HEAD: &str = "\
# Settings

Made from the types in `src/config`; change those and run `CV3_REGENERATE=1 cargo test config::`.

A setting stands in `instance_config.json`, in the environment, or behind `--set PATH=VALUE`; each of these
wins over the one before. A missing setting has its default. A section that is marked *optional* and is absent,
or `{}`, selects what is embedded. Keys that start with `_comment` are remarks; other unknown keys are ignored with
a warning, but stop the start in production if they are under `Appliance`.

The file is the one named by `--config` or `CV3_CONFIG` (it must exist), else the first of
`./etc/instance_config.json`, `./instance_config.json`, `etc/instance_config.json` beside the program and
`/etc/cv3-backend/instance_config.json`; none is fine.

Variables are matched without case, and `_` inside a name does not count: `CV3_MONGODB__MAX_JOBS` is
`CV3_MONGODB__MAXJOBS`. Lists are JSON or separated by commas, objects JSON or `key=value` pairs separated by commas.
An empty variable counts as not set. A secret may be kept in a file that the variable with `_FILE` at its end names:
`CV3_MONGODB__PASSWORD_FILE=/run/secrets/mongodb`.

*Reload*: a change is taken up on SIGHUP; where it says no, it needs a restart.
";

/// Names the form of a value.
fn form(leaf: &Leaf) -> String {
    match &leaf.form {
        Form::Text => "text".to_owned(),
        Form::Secret => "secret".to_owned(),
        Form::Boolean => "boolean".to_owned(),
        Form::Integer { .. } => "integer".to_owned(),
        Form::Number => "number".to_owned(),
        Form::Port => "port".to_owned(),
        Form::Url => "web address".to_owned(),
        Form::Address => "address:port".to_owned(),
        Form::Network => "network".to_owned(),
        Form::Path => "path".to_owned(),
        Form::Size => "size".to_owned(),
        Form::Seconds => "seconds".to_owned(),
        Form::Days => "days".to_owned(),
        Form::Choice(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        Form::List(item) => format!("list of {}", self::form(item)),
        Form::Map => "object of texts".to_owned(),
    }
}

/// Writes a default; that of a secret is not written, even where it is published.
fn default(known: &Known) -> String {
    match &known.default {
        _ if known.leaf.secret() => "–".to_owned(),
        Value::Null => "–".to_owned(),
        Value::String(text) if text.is_empty() => "empty".to_owned(),
        Value::Array(list) if list.is_empty() => "empty".to_owned(),
        Value::Object(map) if map.is_empty() => "empty".to_owned(),
        value => format!("`{value}`"),
    }
}

/// Keeps a text within its cell of the table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn row(page: &mut String, cells: &[&str]) {
    let cells: Vec<String> = cells.iter().map(|text| cell(text)).collect();
    // Writing to a String cannot fail.
    let _ = writeln!(page, "| {} |", cells.join(" | "));
}

fn heading(page: &mut String, section: &str) {
    let depth = section.matches('.').count() + 2;
    let _ = write!(page, "\n{} {section}\n", "#".repeat(depth));
    if let Some(Node::Section { optional, meaning, .. }) = tree().nodes.get(section) {
        let mark = if *optional { "*Optional.* " } else { "" };
        let _ = write!(page, "\n{mark}{meaning}\n");
    }
}

/// Gives every section with its own values, an outer one before those inside it.
fn sections() -> Vec<(&'static str, Vec<&'static Known>)> {
    let mut sections: Vec<(&str, Vec<&Known>)> = Vec::new();
    for known in &tree().values {
        let ends = known.path.match_indices('.').map(|(at, _)| at);
        for name in ends.filter_map(|at| known.path.get(..at)) {
            if !sections.iter().any(|(other, _)| *other == name) {
                sections.push((name, Vec::new()));
            }
        }
        let own = known.path.rsplit_once('.').map_or("", |(section, _)| section);
        if let Some((_, values)) = sections.iter_mut().find(|(name, _)| *name == own) {
            values.push(known);
        }
    }
    sections
}

/// Makes the reference page.
pub fn reference_markdown() -> String {
    let mut page = HEAD.to_owned();
    for (section, values) in sections() {
        heading(&mut page, section);
        if !values.is_empty() {
            page.push_str("\n| Key | Type | Default | Meaning | Secret | Reload | Variable |\n");
            page.push_str("|---|---|---|---|---|---|---|\n");
        }
        for known in values {
            let key = known.path.rsplit('.').next().unwrap_or_default();
            let secret = if known.leaf.secret() { "yes" } else { "no" };
            let reload = if known.restart { "no" } else { "yes" };
            let cells = [
                &format!("`{key}`"),
                &form(&known.leaf),
                &default(known),
                &known.meaning,
                secret,
                reload,
                &format!("`{}`", known.env),
            ];
            row(&mut page, &cells.map(|text: &str| text));
        }
    }
    page.push_str("\n## Other spellings\n\n| Written | Means |\n|---|---|\n");
    for (from, to) in ALIASES {
        row(&mut page, &[&format!("`{from}`"), &format!("`{to}`")]);
    }
    page.push_str("\n## Further variables\n\n| Variable | Default | Meaning |\n|---|---|---|\n");
    for variable in PROCESS {
        let default =
            if variable.default.is_empty() { "–".to_owned() } else { format!("`{}`", variable.default) };
        row(&mut page, &[&format!("`{}`", variable.name), &default, variable.meaning]);
    }
    page.push_str(
        "\nNames of the original's environment for settings of the file. They complete a section but do not select \
         it; those of secrets may end in `_FILE`.\n\n| Variable | Means |\n|---|---|\n",
    );
    for (name, path) in UPSTREAM {
        row(&mut page, &[&format!("`{name}`"), &format!("`{path}`")]);
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_and_variable_is_explained() {
        let page = reference_markdown();
        for known in &tree().values {
            assert!(page.contains(&format!("`{}`", known.env)), "{}", known.path);
            assert!(!known.meaning.is_empty(), "{}", known.path);
        }
        for variable in PROCESS {
            assert!(page.contains(variable.name));
        }
    }

    #[test]
    fn no_default_of_a_secret_is_printed() {
        let page = reference_markdown();
        let line = page.lines().find(|line| line.contains("| `CV3_MONGODB__PASSWORD` |")).unwrap();
        assert!(line.contains("| secret | – |"), "{line}");
    }
}
