//! Chunks that are refused before anything is read.

use reqwest::multipart::{Form, Part};

use super::{Bearer, Case, MOST_UPLOADED, Send, form};

type Fields = &'static [(&'static str, &'static str)];

fn chunk(name: &'static str, fields: Fields, becomes: &'static str, says: &'static str) -> Case {
    sent(
        name,
        move || form(&fields.iter().map(|(k, v)| (*k, (*v).to_owned())).collect::<Vec<_>>(), b"pid\nK1\n"),
        becomes,
        says,
    )
}

fn sent(
    name: &'static str,
    make: impl Fn() -> Form + std::marker::Send + 'static,
    becomes: &'static str,
    says: &'static str,
) -> Case {
    Case { name, send: Send::Chunk(Box::new(make), Bearer::Upload), becomes, says }
}

fn numbered(name: &'static str, number: &'static str, total: &'static str, says: &'static str) -> Case {
    let make = move || {
        let fields = [
            ("resumableChunkNumber", number.to_owned()),
            ("resumableTotalChunks", total.to_owned()),
            ("resumableFilename", "a.csv".to_owned()),
        ];
        form(&fields, b"pid\nK1\n")
    };
    sent(name, make, "400", says)
}

fn named(name: &'static str, filename: String, says: &'static str) -> Case {
    let make = move || form(&[("resumableFilename", filename.clone())], b"pid\nK1\n");
    sent(name, make, "400", says)
}

fn with_token(name: &'static str, bearer: Bearer, becomes: &'static str, says: &'static str) -> Case {
    let make = || form(&[("resumableFilename", "a.csv".to_owned())], b"pid\nK1\n");
    Case { name, send: Send::Chunk(Box::new(make), bearer), becomes, says }
}

pub fn cases() -> Vec<Case> {
    let range = "numbers run from 1 to the total";
    let part = || Part::bytes(b"pid\nK1\n".to_vec()).file_name("blob");
    vec![
        numbered("chunk 0", "0", "1", range),
        numbered("chunk 3 of 2", "3", "2", range),
        numbered("chunk 1 of 0", "1", "0", range),
        numbered("a chunk of too many", "1", "100001", "at most 100000"),
        numbered(
            "a chunk with a word for a number",
            "one",
            "1",
            "resumableChunkNumber must be a whole number",
        ),
        numbered("a chunk below zero", "-1", "1", "resumableChunkNumber must be a whole number"),
        numbered(
            "a total beyond counting",
            "1",
            "99999999999999999999",
            "resumableTotalChunks must be a whole number",
        ),
        named("a picture", "picture.png".into(), "this kind of file is not read"),
        named("a program", "setup.exe".into(), "this kind of file is not read"),
        named("a name without an extension", "..".into(), "this kind of file is not read"),
        named("a name with a line break", "a\u{0}b\r\n.csv".into(), "printable characters"),
        named("a name without end", format!("{}.csv", "x".repeat(300)), "1 to 255 printable characters"),
        named(
            "a name longer than a field",
            format!("{}.csv", "x".repeat(5_000)),
            "resumableFilename is longer than 4096 bytes",
        ),
        chunk(
            "a file announced as too large",
            &[("resumableFilename", "a.csv"), ("resumableTotalSize", "7000000")],
            "413",
            "larger than the 6291456 bytes",
        ),
        chunk(
            "an announced size in words",
            &[("resumableFilename", "a.csv"), ("resumableTotalSize", "huge")],
            "400",
            "resumableTotalSize must be a whole number",
        ),
        chunk(
            "a file that is shorter than announced",
            &[("resumableFilename", "a.csv"), ("resumableTotalSize", "7000")],
            "400",
            "resumableTotalSize says 7000",
        ),
        sent(
            "a form without a file",
            || Form::new().text("resumableFilename", "a.csv"),
            "400",
            "no part named file",
        ),
        sent(
            "a form with two files",
            move || Form::new().text("resumableFilename", "a.csv").part("file", part()).part("file", part()),
            "400",
            "two parts named file",
        ),
        sent(
            "a chunk that is too large",
            || form(&[("resumableFilename", "a.csv".to_owned())], &vec![b'x'; MOST_UPLOADED + (1 << 10)]),
            "413",
            "larger than the 6291456 bytes",
        ),
        with_token("a chunk without a token", Bearer::None, "401", "sign in first"),
        with_token("a chunk with a made-up token", Bearer::Header("Bearer a.b.c"), "401", "not valid"),
        with_token("a chunk for another source", Bearer::UploadElsewhere, "403", "for another source"),
        with_token("a chunk of a plain user", Bearer::PlainUser, "403", "your role does not allow this"),
    ]
}
