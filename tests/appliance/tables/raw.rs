//! The files as anyone would read them: a table line by line, a workbook's XML, genotypes column by column.
//! Shares no code with the product.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use regex::Regex;

/// What stands in a cell without a value.
const MISSING: [&str; 2] = ["", "#REF!"];

/// A table with a header row.
#[derive(Default)]
pub struct Sheet {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Sheet {
    /// A tab- or comma-separated table, xz around it or not.
    pub fn read((name, bytes): &(&str, Vec<u8>)) -> Self {
        let plain = unpacked(name, bytes);
        let delimiter = if name.contains(".tsv") { b'\t' } else { b',' };
        let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(plain.as_slice());
        let header = reader.headers().unwrap().iter().map(str::to_owned).collect();
        let rows = reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
        Self { header, rows }
    }

    /// The first sheet of a workbook, by its XML (ECMA-376 part 1, 18.3 and 18.4).
    pub fn of_workbook(bytes: &[u8]) -> Self {
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
        let mut text = |name: &str| {
            let mut text = String::new();
            archive.by_name(name).unwrap().read_to_string(&mut text).unwrap();
            text
        };
        let item = Regex::new(r"(?s)<si>(.*?)</si>").unwrap();
        let run = Regex::new(r"(?s)<t[^>]*>(.*?)</t>").unwrap();
        let strings = text("xl/sharedStrings.xml");
        let strings: Vec<String> = item
            .captures_iter(&strings)
            .map(|item| run.captures_iter(&item[1]).map(|run| unescaped(&run[1])).collect())
            .collect();
        let sheet = text("xl/worksheets/sheet1.xml");
        let row = Regex::new(r"(?s)<row [^>]*>(.*?)</row>").unwrap();
        let cell = Regex::new(r#"(?s)<c r="([A-Z]+)\d+"([^>]*)>(?:.*?<v>(.*?)</v>)?.*?</c>"#).unwrap();
        let mut rows = row.captures_iter(&sheet).map(|row| {
            let mut cells: Vec<String> = Vec::new();
            for found in cell.captures_iter(&row[1]) {
                let at = found[1].bytes().fold(0, |at, letter| at * 26 + usize::from(letter - b'A') + 1) - 1;
                let value = found.get(3).map_or("", |value| value.as_str());
                let shared = found[2].contains(r#"t="s""#);
                cells.resize(cells.len().max(at + 1), String::new());
                cells[at] =
                    if shared { strings[value.parse::<usize>().unwrap()].clone() } else { unescaped(value) };
            }
            cells
        });
        let header = rows.next().unwrap();
        Self { rows: rows.collect(), header }
    }

    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    pub fn columns(&self) -> &[String] {
        &self.header
    }

    /// A cell that has a value.
    pub fn cell(&self, row: usize, column: &str) -> Option<&str> {
        let at = self.header.iter().position(|name| name == column)?;
        let cell = self.rows[row].get(at)?.trim();
        (!MISSING.contains(&cell)).then_some(cell)
    }

    /// Row numbers by a column's value.
    pub fn of(&self, column: &str) -> BTreeMap<String, usize> {
        (0..self.rows()).filter_map(|row| Some((self.cell(row, column)?.to_owned(), row))).collect()
    }

    /// The value most rows of a column have, and the people in those rows.
    pub fn commonest(&self, column: &str, person: &str) -> (String, Vec<String>) {
        let mut by_value: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for row in 0..self.rows() {
            if let (Some(value), Some(person)) = (self.cell(row, column), self.cell(row, person)) {
                by_value.entry(value).or_default().insert(person.to_owned());
            }
        }
        let (value, people) = by_value.into_iter().max_by_key(|(_, people)| people.len()).unwrap();
        (value.to_owned(), people.into_iter().collect())
    }
}

fn unescaped(xml: &str) -> String {
    xml.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

fn unpacked(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    if name.ends_with(".xz") {
        liblzma::read::XzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
    } else if name.ends_with(".gz") {
        flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
    } else {
        plain.extend_from_slice(bytes);
    }
    plain
}

/// What a variant does, and how common it is.
pub struct Variant {
    /// Gene and kind of mutation.
    pub effects: BTreeSet<(String, &'static str)>,
    pub af: f64,
}

/// Who carries what: sample to variant numbers with the number of copies.
#[derive(Default)]
pub struct Calls {
    pub variants: Vec<Variant>,
    pub carried: BTreeMap<String, Vec<(usize, u32)>>,
}

impl Calls {
    /// Lines of one alternate allele each, annotated in `ANN`, genotypes first.
    pub fn read((name, bytes): &(&str, Vec<u8>)) -> Self {
        let plain = String::from_utf8(unpacked(name, bytes)).unwrap();
        let mut calls = Self::default();
        let mut samples: Vec<&str> = Vec::new();
        for line in plain.lines().filter(|line| !line.starts_with("##")) {
            let fields: Vec<&str> = line.split('\t').collect();
            if line.starts_with("#CHROM") {
                samples = fields[9..].to_vec();
                calls.carried = samples.iter().map(|sample| ((*sample).to_owned(), Vec::new())).collect();
                continue;
            }
            assert!(
                !fields[4].contains(',') && fields[8].starts_with("GT"),
                "only simple lines are counted here"
            );
            let info: BTreeMap<&str, &str> = fields[7].split(';').filter_map(|f| f.split_once('=')).collect();
            let number = calls.variants.len();
            let af = info["AF"].parse().unwrap();
            calls
                .variants
                .push(Variant { effects: effects(info.get("ANN").copied().unwrap_or_default()), af });
            for (sample, column) in samples.iter().zip(&fields[9..]) {
                let genotype = column.split(':').next().unwrap();
                let copies = u32::try_from(genotype.matches('1').count()).unwrap();
                if copies > 0 {
                    calls.carried.get_mut(*sample).unwrap().push((number, copies));
                }
            }
        }
        calls
    }
}

/// Gene and kind of every annotation entry (*Variant annotations in VCF format* 1.0: allele, consequence, impact,
/// gene …). Between two genes there is none; an entry says "non-coding" only if it says nothing else.
fn effects(annotation: &str) -> BTreeSet<(String, &'static str)> {
    let mut effects = BTreeSet::new();
    for entry in annotation.split(',') {
        let parts: Vec<&str> = entry.split('|').collect();
        let [_, consequence, _, gene, ..] = parts[..] else { continue };
        if gene.is_empty() || (consequence == "intergenic_region" && gene.contains('-')) {
            continue;
        }
        let telling: Vec<_> = consequence.split('&').filter_map(kind).collect();
        let kinds = if telling.is_empty() { vec!["nonCoding"] } else { telling };
        effects.extend(kinds.into_iter().map(|kind| (gene.to_owned(), kind)));
    }
    effects
}

fn kind(consequence: &str) -> Option<&'static str> {
    Some(match consequence {
        "missense_variant" => "missense",
        "stop_gained" => "nonsense",
        "stop_lost" => "lossOfStop",
        "start_lost" => "lossOfStart",
        "frameshift_variant" => "frameshift",
        _ if consequence.starts_with("splice_") => "splice",
        _ if consequence.contains("inframe_") => "indel",
        _ => return None,
    })
}
