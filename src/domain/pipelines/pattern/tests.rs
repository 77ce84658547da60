//! Every expected value was computed with `re.search(pattern, text)` and `Match.expand` of Python 3.11.

use super::*;

fn substitute(pattern: &str, replacement: &str, text: &str) -> Option<String> {
    let pattern = Pattern::compile(pattern).unwrap();
    let template = Template::compile(replacement, &pattern).unwrap();
    assert_eq!(pattern.matches(text).unwrap(), pattern.search(text).unwrap().is_some());
    pattern.search(text).unwrap().map(|found| template.expand(&found))
}

#[rstest::rstest]
#[case("^HP:(\\d{7})$", "\\1", "HP:0001250", Some("0001250"))]
#[case("(?i)short stature", "0004322", "Mild Short Stature here", Some("0004322"))]
#[case("^M(ale)?$", "248153007", "M", Some("248153007"))]
#[case("^M(ale)?$", "[\\1]", "M", Some("[]"))]
#[case("(?P<a>\\d+)-(?P<b>\\d+)", "\\g<b>/\\g<a>", "x 12-34 y", Some("34/12"))]
#[case("(a)(b)", "\\g<2>\\g<1>0\\g<0>", "cab", Some("ba0ab"))]
#[case("(x)", "$1 $x ${1}", "axb", Some("$1 $x ${1}"))]
#[case("(\\w)\\1", "<\\1>", "hello", Some("<l>"))]
#[case("(?P<q>[\"\\x27])(.*?)(?P=q)", "\\2", "say \"hi\" x", Some("hi"))]
#[case("foo(?=bar)", "yes", "foobar", Some("yes"))]
#[case("foo(?!bar)", "yes", "foobar", None)]
#[case("(?<=USD )\\d+", "\\g<0>", "USD 15", Some("15"))]
#[case("[[]x]", "ok", "[x]", Some("ok"))]
#[case("[]a]+", "\\g<0>", "x]a]", Some("]a]"))]
#[case("[a&&b]+", "\\g<0>", "c&b", Some("&b"))]
#[case("[\\w-]+", "\\g<0>", "!a-b!", Some("a-b"))]
#[case("a{,2}b", "\\g<0>", "aaab", Some("aab"))]
#[case("a{x}", "lit", "a{x}", Some("lit"))]
#[case("x{2}y{1,}", "\\g<0>", "xxyy", Some("xxyy"))]
#[case("(?x) \\d+  # digits\n \\s m", "\\g<0>", "12 m", Some("12 m"))]
#[case("\\Aab\\Z", "z", "ab", Some("z"))]
#[case("caf\\u00e9", "\\g<0>", "un café", Some("café"))]
#[case("\\101+", "\\g<0>", "xAA", Some("AA"))]
#[case("a\\.b", "\\.", "a.b", Some("\\."))]
#[case("a", "\\n|\\t|\\\\", "a", Some("\n|\t|\\"))]
#[case("(a)|(b)", "[\\1\\2]", "b", Some("[b]"))]
#[case("(?s)a.b", "y", "a\nb", Some("y"))]
#[case("(?a)\\w+", "\\g<0>", "éab", Some("ab"))]
#[case("\\w+", "\\g<0>", "éab", Some("éab"))]
#[case("(?i:AB)c", "\\g<0>", "abc", Some("abc"))]
#[case("^(\\d+)(?:\\s*(?:y|years?))$", "\\1", "12 years", Some("12"))]
#[case("(a)?b(?(1)c|d)", "\\g<0>", "bd", Some("bd"))]
#[case("a++b", "\\g<0>", "aab", Some("aab"))]
#[case("(?>a+)b", "\\g<0>", "aab", Some("aab"))]
#[case("\\<b\\>", "\\g<0>", "a<b>", Some("<b>"))]
#[case("[\\b]", "bs", "a\u{8}", Some("bs"))]
#[case("(?#note)a", "n", "a", Some("n"))]
#[case("^$", "empty", "x", None)]
#[case("(\\d+),(\\d+)", "\\1.\\2", "3,14", Some("3.14"))]
#[case("\\x41\\t", "hex", "A\t", Some("hex"))]
#[case("a|", "[\\g<0>]", "b", Some("[]"))]
#[case("x*", "-\\g<0>-", "yxx", Some("--"))]
#[case("}", "brace", "}", Some("brace"))]
#[case("[^\\d\\s]+", "\\g<0>", "12 ab", Some("ab"))]
#[case("(?m)^b$", "line", "a\nb\nc", Some("line"))]
#[case("\\100", "at", "x@", Some("at"))]
#[case("(.)\\1{2}", "\\1", "aabbb", Some("b"))]
#[case("[+--]+", "\\g<0>", "a+,-b", Some("+,-"))]
#[case("ß", "\\g<0>", "Straße", Some("ß"))]
#[case("(?i)É", "\\g<0>", "café", Some("é"))]
#[case("a", "\\0x\\101", "a", Some("\u{0}xA"))]
fn a_pattern_means_what_it_means_in_python(
    #[case] pattern: &str,
    #[case] replacement: &str,
    #[case] text: &str,
    #[case] expected: Option<&str>,
) {
    assert_eq!(substitute(pattern, replacement, text).as_deref(), expected);
}

#[rstest::rstest]
#[case("a**")] // multiple repeat at character 2
#[case("(")] // missing ), unterminated subpattern at character 0
#[case(")")] // unbalanced parenthesis at character 0
#[case("[a")] // unterminated character set at character 0
#[case("\\q")] // bad escape \q at character 0
#[case("(?<n>a)")] // unknown extension ?<n at character 1
#[case("\\p{L}")] // bad escape \p at character 0
#[case("*a")] // nothing to repeat at character 0
#[case("(?P<1a>x)")] // bad character in group name '1a' at character 4
#[case("a\\1")] // invalid group reference 1 at character 2
#[case("[b-a]")] // bad character range b-a at character 1
#[case("x(?i)y")] // global flags not at the start of the expression at character 1
#[case("\\400")] // octal escape value \400 outside of range 0-0o377 at character 0
#[case("(?P=nope)")] // unknown group name 'nope' at character 4
#[case("[\\d-z]")] // bad character range \d-z at character 1
#[case("(?z)")] // unknown extension ?z at character 1
#[case("a\\")] // bad escape (end of pattern) at character 1
#[case("(?P<n>a)(?P<n>b)")] // redefinition of group name 'n' as group 2; was group 1 at character 12
fn what_python_refuses_is_refused(#[case] pattern: &str) {
    let error = Pattern::compile(pattern).unwrap_err();
    assert!(!error.to_string().is_empty());
}

#[rstest::rstest]
#[case("\\2")] // invalid group reference 2 at character 1
#[case("\\g<b>")] // unknown group name 'b'
#[case("\\g")] // missing < at character 2
#[case("\\y")] // bad escape \y at character 0
#[case("\\g<1")] // missing >, unterminated name at character 3
#[case("\\")] // bad escape (end of pattern) at character 0
fn a_replacement_python_refuses_is_refused(#[case] replacement: &str) {
    assert!(Template::compile(replacement, &Pattern::compile("(a)").unwrap()).is_err());
}

#[test]
fn a_pattern_that_explodes_is_given_up() {
    let pattern = Pattern::compile(r"^(?=(a+)+$)b").unwrap();
    let pattern_with_reference = Pattern::compile(r"^(a|aa)+\1c$").unwrap();
    assert!(pattern.search(&"a".repeat(50)).unwrap().is_none());
    assert_eq!(pattern_with_reference.matches(&"a".repeat(60)), Err(TooManySteps));
}

#[rstest::rstest]
#[case("(?:(?:x{1000}){1000}){1000}")]
#[case(r"(?=a)(?:\w{1000}){1000}")]
fn a_pattern_that_compiles_into_too_much_is_refused(#[case] pattern: &str) {
    assert!(Pattern::compile(pattern).is_err());
}

#[test]
fn a_pattern_of_2001_characters_is_refused() {
    assert!(Pattern::compile(&"é".repeat(2_000)).is_ok());
    assert!(Pattern::compile(&"é".repeat(2_001)).is_err());
}

#[test]
fn the_deepest_nesting_is_refused_without_overflow() {
    for open in ["(", "(?=", "((?=a)"] {
        let depth = 1_900 / (open.len() + 1);
        let _ = Pattern::compile(&format!("{}x{}", open.repeat(depth), ")".repeat(depth)));
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_compiled_or_refused(pattern in "[\\PC\\[\\](){}?*+|^$.a-c0-9-]{0,24}", text in "[a-c0-9 ]{0,8}") {
        if let Ok(pattern) = Pattern::compile(&pattern) {
            let _ = pattern.search(&text);
        }
    }
}
