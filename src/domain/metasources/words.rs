//! Words that metadata may use: countries, languages and the closed lists of specification §10.2.

/// ISO 3166-1 alpha-2 codes in use.
const COUNTRIES: &str = "AF AX AL DZ AS AD AO AI AQ AG AR AM AW AU AT AZ BH BS BD BB BY BE BZ BJ BM BT BO BQ BA BW BV BR IO \
    BN BG BF BI KH CM CA CV KY CF TD CL CN CX CC CO KM CG CD CK CR CI HR CU CW CY CZ DK DJ DM DO EC EG \
    SV GQ ER EE ET FK FO FJ FI FR GF PF TF GA GM GE DE GH GI GR GL GD GP GU GT GG GN GW GY HT HM VA HN \
    HK HU IS IN ID IR IQ IE IM IL IT JM JP JE JO KZ KE KI KP KR KW KG LA LV LB LS LR LY LI LT LU MO MK \
    MG MW MY MV ML MT MH MQ MR MU YT MX FM MD MC MN ME MS MA MZ MM NA NR NP NL NC NZ NI NE NG NU NF MP \
    NO OM PK PW PS PA PG PY PE PH PN PL PT PR QA RE RO RU RW BL SH KN LC MF PM VC WS SM ST SA SN RS SC \
    SL SG SX SK SI SB SO ZA GS SS ES LK SD SR SJ SZ SE CH SY TW TJ TZ TH TL TG TK TO TT TN TR TM TC TV \
    UG UA AE GB US UM UY UZ VU VE VN VG VI WF EH YE ZM ZW";

/// ISO 639-1 codes.
const LANGUAGES: &str = "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de \
    dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id \
    ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu \
    lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu \
    rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr \
    ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu";

/// Kinds of publishers.
pub const PUBLISHERS: &str = "individual organization agency other";

/// Kinds of cohorts by their sites.
pub const SITES: &str = "singleSite multiSite multiCountry";

/// Disorders.
pub const DISEASES: &str = "controlGroup ad pd irbd dlb caa ftd als psp cbd msa hd ataxia other";

/// Samples kept.
pub const BIO_SAMPLES: &str = "csf serum plasma dna saliva urine stool";

/// Images: those of the published list, and two that are only described in prose.
pub const IMAGES: &str = "mri petAmyloid petTau datScan spect ocular";

/// Cognitive data.
pub const COGNITIVE: &str = "crossSectional longitudinal";

/// Sexes; the last is described in prose only.
pub const SEX: &str = "male female other unknown undifferential";

/// Clinical data.
pub const CLINICAL: &str = "comorbidities medicationUse familyHistory ageOfSymptomOnset clinicalDiagnosis exposure lifeStyleInfo \
    vitalSigns";

/// Biomarkers.
pub const MARKERS: &str = "amyloid tau neurofilamentLightChain alphaSynuclein dat";

/// Electrophysiology.
pub const ELECTROPHYSIOLOGY: &str = "eeg meg erp";

/// What kinds of data a content holds.
pub const DATA_TYPES: &str = "demographics clinical ethnicity lifestyle functionalRatings motor neuropsychiatric \
    neuropsychological qualityOfLife sleepScales digitalData imaging electrophysiology neuroPathology \
    other";

/// Whether a list has the word.
pub fn has(list: &str, word: &str) -> bool {
    list.split(' ').any(|one| one == word)
}

/// The ISO 3166-1 code of a country; two that are common and not of the standard are put right.
pub fn country(code: &str) -> Option<&str> {
    match code {
        "UK" => Some("GB"),
        "EL" => Some("GR"),
        other => has(COUNTRIES, other).then_some(other),
    }
}

/// Whether it is an ISO 639-1 code.
pub fn is_language(code: &str) -> bool {
    has(LANGUAGES, code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("GB", Some("GB"))]
    #[case("UK", Some("GB"))]
    #[case("EL", Some("GR"))]
    #[case("gb", None)]
    #[case("XX", None)]
    #[case("GB ", None)]
    #[case("", None)]
    fn a_country_is_a_code_of_the_standard(#[case] code: &str, #[case] expected: Option<&str>) {
        assert_eq!(country(code), expected);
    }

    #[test]
    fn the_lists_are_whole() {
        assert_eq!(COUNTRIES.split(' ').count(), 249);
        assert!(LANGUAGES.split(' ').all(|code| code.len() == 2));
        assert!(is_language("uk") && !is_language("EN"));
    }
}
