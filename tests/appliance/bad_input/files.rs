//! Files that are taken, and found bad when they are read.

use serde_json::json;

use super::broken::{cut, damaged, gzip, locked_zip, outward, table, tar, utf16, xz, zip};
use super::{Case, Reader, Send};

fn file(
    name: &'static str,
    (filename, bytes): (&'static str, impl Into<Vec<u8>>),
    reader: Reader,
    becomes: &'static str,
    says: &'static str,
) -> Case {
    Case { name, send: Send::File(filename, bytes.into(), reader), becomes, says }
}

pub fn cases() -> Vec<Case> {
    let mut cases = tables();
    cases.extend(packed());
    cases.extend(json_files());
    cases.extend(variants());
    cases
}

fn tables() -> Vec<Case> {
    use Reader::{Expanding, Rows};
    let wide = format!("pid,a\nK0,1\nK1,{}\n", "x".repeat((1 << 20) + 1));
    let latin = b"pid,name\nK1,Ren\xE9\n".to_vec();
    let picture = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    vec![
        file("an empty file", ("empty.csv", ""), Rows, "failed", "empty.csv is empty"),
        file("a table of line breaks", ("blank.csv", "\n\n\r\n"), Rows, "failed", "blank.csv is empty"),
        file(
            "a header with an open quote",
            ("quote.csv", "\"pid,a\nK1,2\n"),
            Rows,
            "failed",
            "a quote of its header is never closed",
        ),
        file(
            "a row with an open quote",
            ("open.csv", "pid,a\nK1,2\nK2,\"3\nK4,5\n"),
            Rows,
            "staged",
            "a quote is opened and never closed",
        ),
        file(
            "a row with a cell too many",
            ("ragged.csv", "pid,a\nK1,2,3\nK2,4\n"),
            Rows,
            "staged",
            "3 cells where the header has 2",
        ),
        file(
            "a row with a cell too few",
            ("short.csv", "pid,a,b\nK1,2\nK2,3,4\n"),
            Rows,
            "staged",
            "2 cells where the header has 3",
        ),
        file(
            "a cell of over a megabyte",
            ("wide.csv", wide),
            Rows,
            "staged",
            "the cell is longer than 1048576 bytes",
        ),
        file("a cell with a zero byte", ("zero.csv", "pid,a\nK1,\0\nK2,3\n"), Rows, "staged", "zero byte"),
        file(
            "UTF-16 that does not say so",
            ("sixteen.csv", utf16("pid,a\nK1,2\n", false)),
            Rows,
            "failed",
            "UTF-16 without a mark",
        ),
        file("letters that are not UTF-8", ("latin.csv", latin), Rows, "staged", "were read as Windows-1252"),
        file("a picture called a table", ("picture.csv", picture), Rows, "failed", "picture.csv"),
        file("no column that names the subject", ("other.csv", "id,a\nK1,2\n"), Rows, "failed", "pid"),
        file(
            "a row that would be 200,000 people",
            ("many.csv", "n\n200000\n1\n"),
            Expanding,
            "staged",
            "100000",
        ),
        file(
            "a workbook that is none",
            ("broken.xlsx", "this is no workbook"),
            Rows,
            "failed",
            "broken.xlsx",
        ),
        file(
            "a workbook cut short",
            ("cut.xlsx", cut(zip(&[("xl/workbook.xml", &table())]), 60)),
            Rows,
            "failed",
            "cut.xlsx",
        ),
        file(
            "an archive called a workbook",
            ("zip.xlsx", zip(&[("a.csv", b"pid\nK1\n")])),
            Rows,
            "failed",
            "zip.xlsx",
        ),
    ]
}

fn packed() -> Vec<Case> {
    use Reader::Rows;
    let bomb = vec![b'0'; 24 << 20];
    let inner = zip(&[("a.csv", b"pid\nK1\n")]);
    let deep = zip(&[("b.zip", &zip(&[("a.zip", &inner)]))]);
    let layers = (0..6).fold(b"pid\nK1\n".to_vec(), |bytes, _| gzip(&bytes));
    let up = outward("../../../../");
    let root = outward("/");
    let windows = outward("..\\..\\");
    let row: &[u8] = b"pid,a\nK1,2\nK2\n";
    vec![
        file("gzip cut short", ("cut.csv.gz", cut(gzip(&table()), 60)), Rows, "failed", "ends too early"),
        file(
            "gzip with a wrong byte",
            ("bad.csv.gz", damaged(gzip(&table()))),
            Rows,
            "failed",
            "cannot unpack bad.csv.gz",
        ),
        file("xz cut short", ("cut.csv.xz", cut(xz(&table()), 60)), Rows, "failed", "ends too early"),
        file(
            "xz with a wrong byte",
            ("bad.csv.xz", damaged(xz(&table()))),
            Rows,
            "failed",
            "cannot unpack bad.csv.xz",
        ),
        file(
            "tar.xz cut short",
            ("cut.tar.xz", cut(xz(&tar("a.csv", &table(), false)), 60)),
            Rows,
            "failed",
            "ends too early",
        ),
        file(
            "zip cut short",
            ("cut.zip", cut(zip(&[("a.csv", &table())]), 60)),
            Rows,
            "failed",
            "cannot unpack cut.zip",
        ),
        file(
            "zip with a wrong byte",
            ("bad.zip", damaged(zip(&[("a.csv", &table())]))),
            Rows,
            "failed",
            "bad.zip",
        ),
        file("zip with a password", ("locked.zip", locked_zip()), Rows, "failed", "cannot unpack locked.zip"),
        file(
            "a zip bomb",
            ("bomb.zip", zip(&[("bomb.csv", &bomb)])),
            Rows,
            "failed",
            "exceeds the limit of 500 unpacked bytes for each packed one",
        ),
        file(
            "a gzip bomb",
            ("bomb.csv.gz", gzip(&bomb)),
            Rows,
            "failed",
            "exceeds the limit of 500 unpacked bytes for each packed one",
        ),
        file(
            "an xz bomb",
            ("bomb.csv.xz", xz(&bomb)),
            Rows,
            "failed",
            "exceeds the limit of 500 unpacked bytes for each packed one",
        ),
        file(
            "archives in archives in archives",
            ("deep.zip", deep),
            Rows,
            "failed",
            "archives inside one another",
        ),
        file("compressed six times", ("layers.csv.gz", layers), Rows, "failed", "layers of compression"),
        file("an archive without files", ("none.zip", zip(&[])), Rows, "failed", "none.zip is empty"),
        file(
            "an archive with a link",
            ("link.tar", tar("a.csv", b"", true)),
            Rows,
            "failed",
            "link.tar is empty",
        ),
        file(
            "an archive of pictures",
            ("pictures.zip", zip(&[("a.png", b"\x89PNG\r\n")])),
            Rows,
            "failed",
            "has no readable format",
        ),
        file("a text called an archive", ("text.zip", "pid\nK1\n"), Rows, "failed", "promises an archive"),
        file(
            "an entry above its folder",
            ("up.zip", zip(&[(&up, row)])),
            Rows,
            "staged",
            "1 cells where the header has 2",
        ),
        file(
            "an entry at the root",
            ("root.tar", tar(&root, row, false)),
            Rows,
            "staged",
            "1 cells where the header has 2",
        ),
        file(
            "an entry above, backwards",
            ("back.zip", zip(&[(&windows, row)])),
            Rows,
            "staged",
            "1 cells where the header has 2",
        ),
    ]
}

fn json_files() -> Vec<Case> {
    use Reader::Own;
    let packet = |part: serde_json::Value| {
        let mut packet = json!({"id": "P1", "phenotypicFeatures": [], "metaData": {}});
        packet.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
        packet.to_string()
    };
    let deep = format!("[{{\"a\":{}1{}}}]", "[".repeat(100), "]".repeat(100));
    let nameless = packet(json!({"id": "x".repeat(400)}));
    let listed = packet(json!({"phenotypicFeatures": [7]}));
    let worded = packet(json!({"phenotypicFeatures": "seizures"}));
    let person = packet(json!({"subject": "a boy"}));
    vec![
        file(
            "JSON cut short",
            ("cut.json", r#"[{"id": "P1", "subject": {"#),
            Own,
            "failed",
            "is not valid JSON at line 1: the file ends inside the record",
        ),
        file(
            "JSON without a comma",
            ("comma.json", "[{\"a\": 1}\n{\"a\": 2}]"),
            Own,
            "failed",
            "at line 2: a comma is missing",
        ),
        file(
            "JSON with more after its end",
            ("more.json", "[{\"a\": 1}]\n]"),
            Own,
            "failed",
            "there is more after the end of the array",
        ),
        file(
            "JSON of numbers",
            ("numbers.json", "[1, 2, 3]"),
            Own,
            "failed",
            "a JSON object for each record",
        ),
        file("JSON nested a hundred times", ("deep.json", deep), Own, "failed", "nested deeper than 64"),
        file(
            "JSON in UTF-16",
            ("sixteen.json", utf16("[{\"a\": 1}]", true)),
            Own,
            "failed",
            "UTF-16; save it as UTF-8",
        ),
        file(
            "JSON that is not text",
            ("raw.json", b"{\"id\": \"\xFF\xFE\"}".to_vec()),
            Own,
            "failed",
            "is not valid JSON at line 1",
        ),
        file(
            "a packet with features in words",
            ("worded.json", worded),
            Own,
            "failed",
            "worded.json is not valid JSON at line 1",
        ),
        file(
            "a packet with a number for a feature",
            ("listed.json", listed),
            Own,
            "failed",
            "listed.json is not valid JSON at line 1",
        ),
        file(
            "a packet about a text",
            ("person.json", person),
            Own,
            "failed",
            "person.json is not valid JSON at line 1",
        ),
        file("a packet with an id without end", ("nameless.json", nameless), Own, "done", "id"),
        file(
            "a subject without an id",
            ("anonymous.json", r#"{"subjectId": "", "HPO": ["0001250"]}"#),
            Own,
            "failed",
            "anonymous.json",
        ),
    ]
}

fn variants() -> Vec<Case> {
    use Reader::{Own, WholeFile};
    let head = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT";
    vec![
        file(
            "variants without a header",
            ("bare.vcf", "##fileformat=VCFv4.2\n22\t1\t.\tA\tG\n"),
            Own,
            "failed",
            "is not valid VCF at line 2",
        ),
        file(
            "variants that end in the header",
            ("end.vcf", "##fileformat=VCFv4.2\n"),
            Own,
            "failed",
            "there is no #CHROM line",
        ),
        file(
            "variants of nobody",
            ("nobody.vcf", format!("{head}\n")),
            Own,
            "failed",
            "it has no sample columns",
        ),
        file(
            "a sample with two columns",
            ("twice.vcf", format!("{head}\tS1\tS1\n")),
            Own,
            "failed",
            "the sample S1 has two columns",
        ),
        file(
            "two samples as one subject",
            ("two.vcf", format!("{head}\tS1\tS2\n")),
            WholeFile,
            "failed",
            "there are 2 samples in it",
        ),
        file(
            "variants cut short",
            ("cut.vcf.gz", cut(gzip(&[head.as_bytes(), b"\tS1\n", &table()].concat()), 60)),
            Own,
            "failed",
            "ends too early",
        ),
    ]
}
