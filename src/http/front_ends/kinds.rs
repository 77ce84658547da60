//! Content types by the ending of a file, and files whose name changes with their content.

/// What a browser needs to know of a file; what has no line is offered for saving only.
pub fn kind(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase();
    match ending.as_str() {
        "html" | "htm" => "text/html; charset=utf-8",
        "js" | "mjs" | "cjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "txt" | "md" => "text/plain; charset=utf-8",
        "csv" => "text/csv; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "xml" => "application/xml",
        "wasm" => "application/wasm",
        "pdf" => "application/pdf",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "ico" => "image/x-icon",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        "ttf" => "font/ttf",
        "otf" => "font/otf",
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        _ => "application/octet-stream",
    }
}

/// Folders into which build tools put files with the hash of their content in the name.
const HASHED: [&str; 4] = ["assets", "static", "immutable", "_next"];

/// How long a file may be kept without asking: one with a hash in its name for ever, any other not at all.
///
/// Whether it is a hash is guessed: eight or more characters with a digit, in hexadecimal or in letters of both cases
/// (`main.4f3a2b1c.js`, `index-B3xK9z1a.js`). What is not recognised is asked for again, which costs a short answer.
pub fn cache(path: &str) -> &'static str {
    let mut segments: Vec<&str> = path.split('/').collect();
    let name = segments.pop().unwrap_or_default();
    let hash = |piece: &str| {
        let has = |test: fn(&char) -> bool| piece.chars().any(|c| test(&c));
        let hexadecimal = piece.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
        piece.len() >= 8
            && has(char::is_ascii_digit)
            && has(char::is_ascii_lowercase)
            && (hexadecimal || has(char::is_ascii_uppercase))
            && piece.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let built = segments.iter().any(|folder| HASHED.contains(folder));
    if built && name.split(['.', '-']).any(hash) { "public, max-age=31536000, immutable" } else { "no-cache" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("index.html", "text/html; charset=utf-8")]
    #[case("APP.JS", "text/javascript; charset=utf-8")]
    #[case("logo.svg", "image/svg+xml")]
    #[case("app.js.br", "application/octet-stream")]
    #[case("LICENSE", "application/octet-stream")]
    fn types_follow_the_ending(#[case] name: &str, #[case] expected: &str) {
        assert_eq!(kind(name), expected);
    }

    #[rstest::rstest]
    #[case("assets/index-B3xK9z1a.js", true)]
    #[case("static/js/main.4f3a2b1c.js", true)]
    #[case("static/media/logo.6ce24c58023cc2f8fd88fe9d219db6c6.svg", true)]
    #[case("_next/static/chunks/12-0a1b2c3d4e5f6a7b.js", true)]
    #[case("assets/index.js", false)]
    #[case("assets/react-bootstrap.js", false)]
    #[case("assets/report-20260101.pdf", false)]
    #[case("assets/font-awesome4.css", false)]
    #[case("index-B3xK9z1a.js", false)]
    #[case("index.html", false)]
    fn only_files_with_a_hash_in_their_name_are_kept_for_ever(#[case] path: &str, #[case] expected: bool) {
        assert_eq!(cache(path).contains("immutable"), expected);
    }
}
