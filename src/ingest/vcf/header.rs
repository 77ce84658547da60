//! Header lines that say how the annotations of a VCF are written.

use super::frequency::is_gnomad;

/// An annotation field: where its parts stand between the bars.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    /// The INFO key.
    pub key: &'static str,
    pub allele: usize,
    pub consequence: usize,
    pub gene: usize,
    /// Number of the alternate allele, from 1 (VEP `ALLELE_NUM`).
    pub allele_number: Option<usize>,
    /// gnomAD frequencies (VEP `gnomADe_AF`, `gnomADg_AF`, `gnomAD_AF`).
    pub frequencies: Vec<usize>,
}

/// What the reader needs of the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub layouts: Vec<Layout>,
}

impl Default for Header {
    /// The orders of *Variant annotations in VCF format* 1.0 (ANN) and of the Ensembl VEP (CSQ), for files whose
    /// header does not describe them.
    fn default() -> Self {
        let layout = |key| Layout {
            key,
            allele: 0,
            consequence: 1,
            gene: 3,
            allele_number: None,
            frequencies: Vec::new(),
        };
        Self { layouts: vec![layout("ANN"), layout("CSQ")] }
    }
}

impl Header {
    /// Takes a `##` line; those that describe no annotation change nothing.
    pub(super) fn meta(&mut self, line: &str) {
        let Some(body) = line.strip_prefix("##INFO=<ID=") else { return };
        for layout in &mut self.layouts {
            if let Some(rest) = body.strip_prefix(layout.key)
                && rest.starts_with(',')
            {
                layout.describe(rest);
            }
        }
    }
}

impl Layout {
    /// Reads `Description="… Format: Allele|Consequence|…"` or `'Allele | Annotation | …'`.
    fn describe(&mut self, rest: &str) {
        let Some((before, _)) = rest.split_once('|') else { return };
        let start = before.rfind([':', '\'', '"']).map_or(0, |at| at + 1);
        let Some(list) = rest.get(start..) else { return };
        let names: Vec<String> = list
            .split('|')
            .map(|name| name.trim_matches(['\'', '"', ' ', '>']).to_ascii_lowercase())
            .collect();
        let find = |wanted: &[&str]| names.iter().position(|name| wanted.contains(&name.as_str()));
        let (Some(allele), Some(consequence), Some(gene)) =
            (find(&["allele"]), find(&["consequence", "annotation"]), find(&["symbol", "gene_name"]))
        else {
            return;
        };
        *self = Self {
            key: self.key,
            allele,
            consequence,
            gene,
            allele_number: find(&["allele_num"]),
            frequencies: (0..).zip(&names).filter(|(_, name)| is_gnomad(name)).map(|(at, _)| at).collect(),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_says_where_symbol_and_consequence_stand() {
        let mut header = Header::default();
        header.meta(
            "##INFO=<ID=CSQ,Number=.,Type=String,Description=\"Consequence annotations from Ensembl VEP. Format: \
             Consequence|Allele|Gene|SYMBOL|gnomADe_AF|gnomADe_AFR_AF|ALLELE_NUM\">",
        );
        let csq = &header.layouts[1];
        assert_eq!((csq.allele, csq.consequence, csq.gene), (1, 0, 3));
        assert_eq!((csq.allele_number, csq.frequencies.as_slice()), (Some(6), [4].as_slice()));
    }

    #[test]
    fn the_usual_ann_line_gives_the_usual_order() {
        let mut header = Header::default();
        header.meta(
            "##INFO=<ID=ANN,Number=.,Type=String,Description=\"Functional annotations: 'Allele | Annotation | \
             Annotation_Impact | Gene_Name | Gene_ID ' \">",
        );
        assert_eq!(header, Header::default());
    }

    #[test]
    fn other_fields_do_not_disturb() {
        let mut header = Header::default();
        header.meta("##INFO=<ID=ANNOVAR,Description=\"Format: x|allele|consequence|symbol\">");
        header.meta("##INFO=<ID=CSQ,Description=\"no bars\">");
        header.meta("##INFO=<ID=CSQ,Description=\"a|b\">");
        assert_eq!(header, Header::default());
    }
}
