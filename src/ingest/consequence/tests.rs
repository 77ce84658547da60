use super::*;
use crate::domain::subjects::Mutation::{
    Frameshift, Indel, LossOfStart, LossOfStop, Missense, NonCoding, Nonsense, Splice,
};

#[rstest::rstest]
#[case("NP_068813.1:p.(Met1?)", Some(LossOfStart))]
#[case("NP_001616.1:p.(Met1?)", Some(LossOfStart))]
#[case("NP_005841.1:p.(Met1?)", Some(LossOfStart))]
#[case("NP_542172.2:p.(Met1?)", Some(LossOfStart))]
#[case("NP_000030.1:p.(Arg173Pro)", Some(Missense))]
#[case("NP_000030.1:p.(Leu198Ser)", Some(Missense))]
#[case("NP_000230.1:p.(Asp67His)", Some(Missense))]
#[case("NP_000333.1:p.(Gly701Asp)", Some(Missense))]
#[case("NP_005563.1:p.(Arg571Ser)", Some(Missense))]
#[case("NP_005563.1:p.(Asn195Lys)", Some(Missense))]
#[case("NP_005563.1:p.(Leu85Arg)", Some(Missense))]
#[case("NP_005563.1:p.(Arg60Gly)", Some(Missense))]
#[case("NP_005129.2:p.(Arg90Ter)", Some(Nonsense))]
#[case("NP_000129.3:p.(Cys2535Ter)", Some(Nonsense))]
#[case("NP_005129.2:p.(Gln53Ter)", Some(Nonsense))]
#[case("NP_733821.1:p.(Gln6Ter)", Some(Nonsense))]
#[case("NP_001093327.1:p.(Glu391Ter)", Some(Nonsense))]
#[case("NP_000129.3:p.(Arg1539Ter)", Some(Nonsense))]
#[case("NP_003602.1:p.(Arg41Ter)", Some(Nonsense))]
#[case("NP_000424.2:p.(Lys391GlufsTer9)", Some(Frameshift))]
#[case("NP_000424.2:p.(Glu243GlyfsTer28)", Some(Frameshift))]
#[case("NP_005563.1:p.(Arg321GlufsTer159)", Some(Frameshift))]
#[case("NP_001093327.1:p.(Glu390ArgfsTer5)", Some(Frameshift))]
#[case("NP_003602.1:p.(Ser586MetfsTer5)", Some(Frameshift))]
#[case("NP_003602.1:p.(Ser98ArgfsTer41)", Some(Frameshift))]
#[case("NP_006654.2:p.(Ter829PheextTer59)", Some(LossOfStop))]
#[case("NP_001685.1:p.(Ter156LeuextTer35)", Some(LossOfStop))]
#[case("NP_003782.1:p.(Ter1053CysextTer51)", Some(LossOfStop))]
#[case("NP_005088.1:p.(Ter558GlyextTer23)", Some(LossOfStop))]
#[case("NP_000333.1:p.(Ala400_Ala408del)", Some(Indel))]
#[case("NP_733821.1:p.(Lys261del)", Some(Indel))]
#[case("NP_000129.3:p.(Val1931del)", Some(Indel))]
#[case("NP_001035957.1:p.(Met992del)", Some(Indel))]
#[case("NP_000333.1:p.(Ala400_Ala408del)", Some(Indel))]
#[case("NP_997274.2:p.(Asp32_Gln34del)", Some(Indel))]
#[case("NP_001840.3:p.(Val619_Ile620del)", Some(Indel))]
#[case("NP_000513.2:p.(Ala128_Ala133dup)", Some(Indel))]
#[case("NP_000513.2:p.(Ala41_Ala51dup)", Some(Indel))]
#[case("NP_000513.2:p.(Ala43_Ala51dup)", Some(Indel))]
#[case("NP_003602.1:p.(Lys358_Asp360delinsPheSerTyr)", Some(Indel))]
#[case("NP_002428.1:p.(Lys88_Met89delinsMetLeu)", Some(Indel))]
#[case("NP_001420.2:p.(Asn2209_Gln2213delinsLys)", Some(Indel))]
#[case("NP_056144.3:p.(Ala378_Gln380delinsAsp)", Some(Indel))]
#[case("NP_037407.4:p.(Arg595delinsSerTer)", Some(Nonsense))]
#[case("NP_000424.2:p.?", None)]
#[case("NP_000129.3:p.?", None)]
#[case("NP_000129.3:p.(Thr1321=)", None)]
#[case("NP_000127.2:p.(Gln332=)", None)]
#[case("NP_733821.1:p.(Gly608=)", None)]
#[case("p.Met1_Leu46del", Some(LossOfStart))]
#[case("p.Met1Val", Some(LossOfStart))]
#[case("p.(Met1=)", None)]
#[case("p.Met1ext-5", None)]
#[case("p.Ter110Leu", Some(LossOfStop))]
#[case("p.*110Lext*17", Some(LossOfStop))]
#[case("p.R97Pfs*23", Some(Frameshift))]
#[case("p.W24*", Some(Nonsense))]
#[case("p.W24X", Some(Nonsense))]
#[case("p.V600E", Some(Missense))]
#[case("p.", None)]
#[case("p.0", None)]
#[case("c.5A>G", None)]
fn a_protein_change_tells_the_mutation(#[case] text: &str, #[case] expected: Option<Mutation>) {
    assert_eq!(of_hgvs_p(text), expected);
}

#[rstest::rstest]
#[case("NM_000433.4:c.366+1G>A", Some(Splice))]
#[case("NM_003721.4:c.271+1G>C", Some(Splice))]
#[case("NM_006846.4:c.81+2T>A", Some(Splice))]
#[case("NM_006846.4:c.2240+1G>A", Some(Splice))]
#[case("NM_005518.4:c.1016+1G>A", Some(Splice))]
#[case("NM_000138.5:c.7331-2A>G", Some(Splice))]
#[case("NM_001849.4:c.1771-1G>A", Some(Splice))]
#[case("NM_001849.4:c.1459-2A>G", Some(Splice))]
#[case("NM_006846.4:c.1608-1G>A", Some(Splice))]
#[case("NM_000138.5:c.2114-2A>G", Some(Splice))]
#[case("NM_006846.4:c.81+5G>A", None)]
#[case("NM_004369.4:c.6930+5G>A", None)]
#[case("NM_000138.5:c.6313+3A>G", None)]
#[case("NM_003611.3:c.413-10T>G", None)]
#[case("NM_001849.4:c.1117-10A>G", None)]
#[case("NM_000039.3:c.518G>C", None)]
#[case("NM_000039.3:c.593T>C", None)]
#[case("NM_000433.4:c.728del", Some(Frameshift))]
#[case("NM_005572.4:c.960del", Some(Frameshift))]
#[case("NM_003611.3:c.1757del", Some(Frameshift))]
#[case("NM_001099857.5:c.1167dup", Some(Frameshift))]
#[case("NM_001849.4:c.1151dup", Some(Frameshift))]
#[case("NM_020366.4:c.2261delT", Some(Frameshift))]
#[case("NM_003611.3:c.1888_1889insTA", Some(Frameshift))]
#[case("NM_024666.5:c.506_507insAA", Some(Frameshift))]
#[case("NM_000152.5:c.-32-13T>G", None)]
#[case("NM_006767.4:c.-38T>A", None)]
#[case("NM_144498.4:c.*9_*18del", None)]
#[case("NM_020366.4:c.2212_2215+21del", Some(Splice))]
#[case("NM_005902.4:c.862_871+8del", Some(Splice))]
#[case("NM_001128203.2:c.16-4823_118+167del", Some(Splice))]
#[case("NM_016180.5:c.1033-6_1033-3del", None)]
#[case("NM_004147.4:c.742_743inv", None)]
#[case("NM_000090.4:c.[1546G>T;1556G>T]", None)]
#[case("NM_153816.6:c.1108+1181_2108-2342del", Some(Splice))]
#[case("NM_001258311.2:c. 509del", Some(Frameshift))]
#[case("NM_001159390.2:c.61 + 1G>T", Some(Splice))]
#[case("NM_003611.3:c.1071_1078delinsTTTTTCCT", Some(Indel))]
#[case("NM_015100.4:c.3354_3355delCTinsT", Some(Frameshift))]
#[case("NM_022089.4:c.2473delinsAA", Some(Frameshift))]
#[case("NR_029681.1:n.24A>G", None)]
#[case("NC_012920.1:m.1661A>G", None)]
#[case("NM_000433.4:c.1171_1175del", Some(Frameshift))]
#[case("NM_000342.4:c.1199_1225del", Some(Indel))]
#[case("NM_170707.4:c.781_783del", Some(Indel))]
#[case("NM_003611.3:c.294_312del", Some(Frameshift))]
#[case("NM_001849.4:c.1488_1513del", Some(Frameshift))]
#[case("NM_006846.4:c.2041_2042del", Some(Frameshift))]
#[case("NM_006846.4:c.1032_1036dup", Some(Frameshift))]
#[case("NM_000522.5:c.366_383dup", Some(Indel))]
#[case("NM_000522.5:c.117_149dup", Some(Indel))]
#[case("NM_000522.5:c.126_152dup", Some(Indel))]
#[case("c.100+3_101-3del", None)]
#[case("c.5_4del", None)]
#[case("c.99999999999999999999del", None)]
#[case("c.5_6ins9", Some(Indel))]
#[case("c.5_6insN[100]", None)]
#[case("c.-5_-3del", None)]
#[case("c.", None)]
#[case("p.Val5del", None)]
fn a_coding_change_tells_the_mutation(#[case] text: &str, #[case] expected: Option<Mutation>) {
    assert_eq!(of_hgvs_c(text), expected);
}

#[rstest::rstest]
#[case("start_lost", LossOfStart)]
#[case("stop_lost", LossOfStop)]
#[case("stop_gained", Nonsense)]
#[case("frameshift_variant", Frameshift)]
#[case("splice_acceptor_variant", Splice)]
#[case("splice_polypyrimidine_tract_variant", Splice)]
#[case("missense_variant", Missense)]
#[case("conservative_inframe_deletion", Indel)]
#[case("inframe_insertion", Indel)]
#[case("5_prime_UTR_premature_start_codon_gain_variant", NonCoding)]
#[case("stop_retained_variant", NonCoding)]
#[case("anything", NonCoding)]
fn a_sequence_ontology_name_tells_the_mutation(#[case] name: &str, #[case] expected: Mutation) {
    assert_eq!(of_so_name(name), expected);
}

#[rstest::rstest]
#[case(&[("SO:0001583", "")], &["p.?"], true, Missense)]
#[case(&[("", "stop_gained")], &["p.(Arg5Gly)"], true, Nonsense)]
#[case(&[("SO:0001636", "2KB_upstream_variant")], &[], true, NonCoding)]
#[case(&[("SO:1000029", "chromosomal_deletion")], &[], false, Indel)]
#[case(&[("SO:1000029", "chromosomal_deletion")], &[], true, NonCoding)]
#[case(&[], &["NM_000433.4:c.366+1G>A", "NP_000424.2:p.?"], true, Splice)]
#[case(&[], &["NM_000039.3:c.518G>C", "NP_000030.1:p.(Arg173Pro)"], true, Missense)]
#[case(&[], &["NC_000011.10:g.116836094C>G"], true, NonCoding)]
#[case(&[], &[], false, NonCoding)]
fn the_first_rule_that_decides_wins(
    #[case] so: &[(&str, &str)],
    #[case] hgvs: &[&str],
    #[case] has_sequence: bool,
    #[case] expected: Mutation,
) {
    assert_eq!(Description { so, hgvs, has_sequence }.mutation(), expected);
}

proptest::proptest! {
    #[test]
    fn no_text_breaks_the_reading(text in "(NM_1:)?[pcn]\\.[A-Za-z0-9*_+>=?()\\[\\]; -]{0,24}") {
        let _ = (of_hgvs_p(&text), of_hgvs_c(&text));
    }

    #[test]
    fn a_deletion_of_whole_codons_keeps_the_frame(start in 1_u64..10_000, codons in 1_u64..50) {
        let text = |bases: u64| format!("NM_1.1:c.{start}_{}del", start + bases - 1);
        proptest::prop_assert_eq!(of_hgvs_c(&text(3 * codons)), Some(Indel));
        proptest::prop_assert_eq!(of_hgvs_c(&text(3 * codons + 1)), Some(Frameshift));
    }
}
