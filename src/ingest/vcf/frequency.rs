//! Allele frequencies of a line: INFO `AF` and gnomAD fields.

/// Samples from which on the frequency in the file itself is that of a population; below, `AF` of a patient's file
/// would be 0.5 or 1 whatever the variant, so gnomAD comes first where there is both.
const POPULATION: usize = 100;

/// Whether a field name (in any letter case) is the overall gnomAD allele frequency, of exomes, genomes or both:
/// `gnomAD_AF`, `gnomADe_AF`, `gnomAD_genomes_AF`, `dbNSFP_gnomAD_exomes_AF`; not that of one population.
pub(super) fn is_gnomad(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let bare = lower.strip_prefix("dbnsfp_").unwrap_or(&lower);
    let Some(of) = bare.strip_prefix("gnomad") else { return bare == "af_gnomad" };
    matches!(
        of,
        "_af" | "e_af" | "g_af" | "_exomes_af" | "_genomes_af" | "_exome_af" | "_genome_af" | "_joint_af"
    )
}

/// A frequency as written; `.` and what lies outside 0 to 1 is none.
pub(super) fn parse(text: &str) -> Option<f64> {
    let value: f64 = text.parse().ok()?;
    (0.0..=1.0).contains(&value).then_some(value)
}

/// What INFO says about frequencies, each field with a value for every alternate allele (`Number=A`).
#[derive(Debug, Default)]
pub(super) struct Frequencies<'l> {
    pub own: Option<&'l str>,
    pub gnomad: Vec<&'l str>,
}

impl Frequencies<'_> {
    /// The frequency of an alternate allele, `index` from 0 of `count`; `annotated` is gnomAD's from the annotation.
    /// Of several gnomAD data sets the largest counts: a variant common in one is not rare.
    pub(super) fn of(
        &self,
        index: usize,
        count: usize,
        annotated: Option<f64>,
        samples: usize,
    ) -> Option<f64> {
        let value = |field: &str| match count {
            1 => parse(field.split(',').next()?),
            // A field with another number of values does not say which allele is meant.
            _ => parse(field.split(',').nth(index).filter(|_| field.split(',').count() == count)?),
        };
        let own = self.own.and_then(value);
        let gnomad = self.gnomad.iter().filter_map(|field| value(field)).chain(annotated).reduce(f64::max);
        if samples >= POPULATION { own.or(gnomad) } else { gnomad.or(own) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("gnomAD_AF", true)]
    #[case("gnomADe_AF", true)]
    #[case("dbNSFP_gnomAD_genomes_AF", true)]
    #[case("AF_gnomad", true)]
    #[case("gnomAD_exomes_AFR_AF", false)]
    #[case("gnomADe_AFR_AF", false)]
    #[case("dbNSFP_gnomAD_exomes_controls_AF", false)]
    #[case("AF", false)]
    fn only_overall_frequencies_count(#[case] name: &str, #[case] expected: bool) {
        assert_eq!(is_gnomad(name), expected);
    }

    #[rstest::rstest]
    #[case(Some("0.5"), &[], None, 1, 0, 1, Some(0.5))]
    #[case(Some("0.5,0.25"), &[], None, 1, 1, 2, Some(0.25))]
    #[case(Some("0.5"), &["0.001"], None, 1, 0, 1, Some(0.001))]
    #[case(Some("0.5"), &["0.001"], None, 100, 0, 1, Some(0.5))]
    #[case(Some("."), &["0.001", "0.002"], None, 100, 0, 1, Some(0.002))]
    #[case(None, &["0.001"], Some(0.01), 1, 0, 1, Some(0.01))]
    #[case(Some("7"), &["nan", "-1"], None, 1, 0, 1, None)]
    #[case(Some(".,0.25"), &[], None, 1, 0, 2, None)]
    #[case(Some("0.25"), &[], None, 1, 0, 2, None)]
    fn the_frequency_of_an_allele(
        #[case] own: Option<&str>,
        #[case] gnomad: &[&str],
        #[case] annotated: Option<f64>,
        #[case] samples: usize,
        #[case] index: usize,
        #[case] count: usize,
        #[case] expected: Option<f64>,
    ) {
        let frequencies = Frequencies { own, gnomad: gnomad.to_vec() };
        assert_eq!(frequencies.of(index, count, annotated, samples), expected);
    }
}
