//! What a part promises beside answers: its size, its release, ids and the way back, mapped or from memory.

use cv3_backend::domain::subjects::Subject;
use cv3_backend::engine::{Part, PartBuilder};
use serde_json::json;

use super::dice::Dice;

/// Nine phenotypes, two attributes, age, sex and a UUID take no more than 150 bytes.
#[test]
fn a_subject_takes_few_bytes() {
    let mut dice = Dice(3);
    let mut ids: Vec<u64> = (0..20_000).map(|_| dice.next()).collect();
    ids.sort_unstable();
    let mut builder = PartBuilder::new("HPO 2025");
    for id in &ids {
        let subject: Subject = serde_json::from_value(json!({
            "subjectId": uuid::Uuid::from_u128(u128::from(*id) << 64).to_string(),
            "HPO": (0..9).map(|_| format!("{:07}", dice.below(3_000))).collect::<Vec<_>>(),
            "EAV": {"site": format!("site {}", dice.below(30)), "visits": dice.below(500)},
            "_demo": {"age": dice.below(100), "gender": if dice.chance(50) { "male" } else { "female" }}
        }))
        .unwrap();
        builder.add(&subject).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("part");
    let stats = builder.finish(&mut std::fs::File::create(&path).unwrap()).unwrap();
    assert_eq!(stats.bytes, std::fs::metadata(&path).unwrap().len());
    assert!(stats.bytes / stats.subjects <= 150, "{} bytes", stats.bytes / stats.subjects);

    let part = Part::open(&path).unwrap();
    assert_eq!((part.release(), part.subjects()), ("HPO 2025", 20_000));
    let id = uuid::Uuid::from_u128(u128::from(ids[777]) << 64).to_string();
    assert_eq!(part.subject_id(777).unwrap(), id);
    assert_eq!(part.find(&id), Some(777));
}

#[test]
fn the_same_subjects_make_the_same_bytes() {
    let build = || {
        let mut builder = PartBuilder::new("r");
        for n in 0..200 {
            let document = json!({"subjectId": format!("{n:03}"), "HPO": [format!("{n:07}")], "EAV": {"a": n, "b": format!("{n}")}});
            builder.add(&serde_json::from_value(document).unwrap()).unwrap();
        }
        let mut bytes = Vec::new();
        builder.finish(&mut bytes).unwrap();
        bytes
    };
    assert!(build() == build());
}
