//! Engine and oracle answer thousands of generated questions alike.

use std::collections::{BTreeMap, BTreeSet};

use cv3_backend::domain::queries::{Builder, Granularity};
use cv3_backend::engine::{Plan, Scope, SourceView, execute};

use super::generate::{self, Dice};
use super::oracle::Oracle;
use super::source::{folded, view};
use super::world::World;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn ask(builder: &Builder, view: &SourceView, world: &World, scope: &Scope) -> (Vec<String>, Plan) {
    let plan = Plan::make(builder, view, world, scope);
    // What is executed is what survives being sent and stored.
    let plan: Plan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
    let hits = execute(&plan, view).unwrap();
    let ids = hits.ids(0, usize::MAX);
    assert_eq!(ids.len() as u64, hits.len());
    (ids, plan)
}

/// Pages of any size join to the whole list.
fn pages(builder: &Builder, view: &SourceView, world: &World, scope: &Scope, all: &[String]) {
    let hits = execute(&Plan::make(builder, view, world, scope), view).unwrap();
    let paged: Vec<String> =
        (0..).step_by(3).map(|skip| hits.ids(skip, 3)).take_while(|p| !p.is_empty()).flatten().collect();
    assert_eq!(paged, all);
}

/// Adding never adds, raising never adds, order changes nothing.
fn metamorphic(
    dice: &mut Dice,
    builder: &Builder,
    ask: impl Fn(&Builder) -> (Vec<String>, Plan),
    ids: &[String],
) {
    let before: BTreeSet<&String> = ids.iter().collect();
    let mut narrower = builder.clone();
    let family = *dice.pick(&generate::FAMILIES[1..]);
    generate::add(dice, family, &mut narrower);
    let (fewer, _) = ask(&narrower);
    assert!(fewer.iter().all(|id| before.contains(id)), "a further {family} filter added subjects");

    let mut stricter = builder.clone();
    let filters = stricter.hpo.iter_mut().chain(&mut stricter.ordo);
    for filter in filters.filter(|filter| filter.minimum_match < filter.terms.len()) {
        filter.minimum_match += 1;
    }
    let (fewer, _) = ask(&stricter);
    assert!(fewer.iter().all(|id| before.contains(id)), "a higher minimumMatch added subjects");

    let mut permuted = builder.clone();
    dice.shuffle(&mut permuted.hpo);
    dice.shuffle(&mut permuted.eav);
    dice.shuffle(&mut permuted.variant);
    permuted.eav.extend(builder.eav.first().cloned());
    permuted.hpo.iter_mut().chain(&mut permuted.ordo).for_each(|filter| dice.shuffle(&mut filter.terms));
    permuted.genes.iter_mut().for_each(|filter| dice.shuffle(&mut filter.alleles));
    let ((same, one), (_, other)) = (ask(&permuted), ask(builder));
    assert_eq!(same, ids, "the order of filters or terms matters");
    assert_eq!(one.digest(), other.digest(), "the digest depends on the order of filters or terms");
}

#[test]
fn engine_and_oracle_agree_on_generated_questions() {
    let pairs = setting("CV3_PAIRS", 6_000);
    let seed = setting("CV3_SEED", 20_260_101);
    let per_source = 40;
    println!("{pairs} pairs from seed {seed}");
    let mut telling: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    let mut asked = 0;
    let mut round = seed;
    while asked < pairs {
        let mut dice = Dice(round);
        let world = generate::world(&mut dice);
        let changes = generate::changes(&mut dice);
        let subjects = folded(&changes);
        let view = view(&changes);
        assert_eq!(view.record_count(), subjects.len() as u64, "seed {round}");
        for _ in 0..per_source {
            let (builder, families) = generate::builder(&mut dice);
            let level = *dice.pick(&Granularity::ALL);
            let withheld: BTreeSet<String> = dice.chance(15).then(|| "site".to_owned()).into_iter().collect();
            let oracle = Oracle { subjects: &subjects, world: &world, withheld: &withheld, level };
            let scope = Scope { withheld: withheld.clone(), level };
            let expected = oracle.answer(&builder);
            let (found, _) = ask(&builder, &view, &world, &scope);
            assert_eq!(found, expected, "seed {round}, {builder:#?}");
            asked += 1;
            let tells = !expected.is_empty() && expected.len() < subjects.len();
            for family in families.into_iter().chain(["all"]) {
                let (of, all) = telling.entry(family).or_default();
                *of += u64::from(tells);
                *all += 1;
            }
            if dice.chance(10) {
                pages(&builder, &view, &world, &scope, &expected);
                metamorphic(&mut dice, &builder, |builder| ask(builder, &view, &world, &scope), &expected);
            }
        }
        round = round.wrapping_add(1);
    }
    for (family, (of, all)) in &telling {
        println!("{family}: {of} of {all} pairs with some but not all subjects ({} %)", 100 * of / all);
        assert!(100 * of >= 30 * all, "the questions on {family} tell too little");
    }
}
