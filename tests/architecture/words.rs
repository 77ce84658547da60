//! What no file of the project mentions: the place it was written at, and numbers that mean nothing to a reader.

/// Lines with such a mention, each with what it is.
pub fn mentions(text: &str) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if machine_path(line) {
            found.push((number, "a path of one machine: write it relative to the project, or as a variable"));
        }
        if issue_number(line) {
            found.push((number, "an issue number: say the reason itself"));
        }
    }
    found
}

/// The roots below which people and build machines keep their own files, and how many folders deep it gets personal.
const ROOTS: &[(&str, usize)] = &[("work", 1), ("root", 1), ("home", 2), ("Users", 2)];

fn machine_path(line: &str) -> bool {
    ROOTS.iter().any(|(root, depth)| {
        let start = format!("/{root}/");
        line.match_indices(&start).any(|(at, _)| {
            let before = line.get(..at).and_then(|b| b.chars().next_back());
            let after = line.get(at + start.len()..).unwrap_or_default();
            let word = |part: &str| part.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '.'));
            // `docs/work/` and `$HOME/root/` go on from something; a path of a machine starts here.
            !before
                .is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '}' | '>' | '*'))
                && after.split('/').take(*depth).filter(|part| word(part)).count() == *depth
        })
    })
}

/// `issue N`, `PR #N`, `fixes #N`, `(#N)`, `GH-N`, and the addresses of such pages.
fn issue_number(line: &str) -> bool {
    let lower = line.to_lowercase();
    let leads = [
        "issue ", "issue #", "issues/", "pull/", "pr #", "fixes #", "closes #", "refs #", "see #", "(#",
        "gh-",
    ];
    leads.iter().any(|lead| {
        lower.match_indices(lead).any(|(at, _)| {
            let starts =
                !lower.get(..at).is_some_and(|b| b.ends_with(char::is_alphanumeric)) || lead.starts_with('(');
            let rest = lower.get(at + lead.len()..).unwrap_or_default();
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            // `#000` and `#1a2b3c` in brackets are colours.
            let ends = !rest.get(digits..).is_some_and(|r| r.starts_with(|c: char| c.is_alphanumeric()));
            starts && ends && digits > 0 && !rest.starts_with('0')
        })
    })
}
