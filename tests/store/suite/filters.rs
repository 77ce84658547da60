//! Listing: conditions, order, pages.

use cv3_backend::domain::filter::{Condition, Filter};
use cv3_backend::store::{Room, Store};
use serde_json::{Value, json};

use crate::Engine;

async fn ids(store: &dyn Store, filter: Filter) -> Vec<String> {
    let found = store.documents().find(Room::Queries, &filter).await.unwrap();
    let count = store.documents().count(Room::Queries, &filter).await.unwrap();
    if filter.limit.is_none() && filter.skip == 0 {
        assert_eq!(count, found.len() as u64);
    }
    found.into_iter().map(|stored| stored.id).collect()
}

async fn filled(engine: &impl Engine, bodies: &[(&str, Value)]) -> Box<dyn Store> {
    let store = engine.open().unwrap();
    for (id, body) in bodies {
        store.documents().insert(Room::Queries, id, body).await.unwrap();
    }
    store
}

pub async fn equality_minds_the_type_of_the_value(engine: &impl Engine) {
    let store = filled(
        engine,
        &[
            ("array", json!({"userId": ["1"]})),
            ("false", json!({"userId": false})),
            ("missing", json!({"other": 1})),
            ("null", json!({"userId": null})),
            ("number", json!({"userId": 1})),
            ("one", json!({"userId": "1"})),
            ("real", json!({"userId": 2.5})),
            ("text", json!({"userId": "[\"1\"]"})),
            ("true", json!({"userId": true})),
            ("upper", json!({"userId": "A"})),
        ],
    )
    .await;
    for (value, expected) in [
        (json!("1"), vec!["one"]),
        (json!(1), vec!["number"]),
        (json!(1.0), vec!["number"]),
        (json!(2.5), vec!["real"]),
        (json!(true), vec!["true"]),
        (json!(false), vec!["false"]),
        (json!("a"), vec![]),
        (json!("[\"1\"]"), vec!["text"]),
        (json!(null), vec!["missing", "null"]),
    ] {
        assert_eq!(ids(&*store, Filter::equals("userId", value.clone())).await, expected, "{value}");
    }
}

pub async fn arrays_are_searched_by_element(engine: &impl Engine) {
    let store = filled(
        engine,
        &[
            ("a", json!({"tags": ["x", "y", 1]})),
            ("b", json!({"tags": ["xy", true]})),
            ("c", json!({"tags": "x"})),
            ("d", json!({"tags": []})),
            ("e", json!({})),
        ],
    )
    .await;
    for (value, expected) in
        [(json!("x"), vec!["a"]), (json!(1), vec!["a"]), (json!(true), vec!["b"]), (json!("z"), vec![])]
    {
        assert_eq!(ids(&*store, Filter::contains("tags", value.clone())).await, expected, "{value}");
    }
}

pub async fn ranges_compare_like_with_like(engine: &impl Engine) {
    let store = filled(
        engine,
        &[
            ("early", json!({"createdAt": "2026-01-01T00:00:00Z"})),
            ("late", json!({"createdAt": "2026-03-01T00:00:00Z"})),
            ("missing", json!({})),
            ("nine", json!({"createdAt": 9})),
            ("ten", json!({"createdAt": 10})),
            ("truth", json!({"createdAt": true})),
        ],
    )
    .await;
    let below = |value: Value| Filter::all().and(Condition::Below("createdAt", value));
    let at_least = |value: Value| Filter::all().and(Condition::AtLeast("createdAt", value));
    assert_eq!(ids(&*store, below(json!("2026-03-01T00:00:00Z"))).await, ["early"]);
    assert_eq!(ids(&*store, at_least(json!("2026-03-01T00:00:00Z"))).await, ["late"]);
    assert_eq!(ids(&*store, below(json!(10))).await, ["nine"]);
    assert_eq!(ids(&*store, at_least(json!(9.5))).await, ["ten"]);
    let between = at_least(json!("2026")).and(Condition::Below("createdAt", json!("2026-02")));
    assert_eq!(ids(&*store, between).await, ["early"]);
}

pub async fn all_conditions_must_hold(engine: &impl Engine) {
    let store = filled(
        engine,
        &[
            ("a", json!({"userId": "u", "kind": "record", "tags": ["x"]})),
            ("b", json!({"userId": "u", "kind": "meta", "tags": ["x"]})),
            ("c", json!({"userId": "v", "kind": "record", "tags": ["x"]})),
        ],
    )
    .await;
    let filter = Filter::equals("userId", "u")
        .and(Condition::Equals("kind", json!("record")))
        .and(Condition::Contains("tags", json!("x")));
    assert_eq!(ids(&*store, filter).await, ["a"]);
    assert_eq!(ids(&*store, Filter::equals("userId", "u")).await, ["a", "b"]);
}

pub async fn pages_follow_the_order(engine: &impl Engine) {
    let store = filled(
        engine,
        &[
            ("d", json!({"createdAt": "2"})),
            ("B", json!({"createdAt": "3"})),
            ("a", json!({"createdAt": "1"})),
            ("c", json!({"createdAt": "2"})),
        ],
    )
    .await;
    assert_eq!(ids(&*store, Filter::all()).await, ["B", "a", "c", "d"]);
    assert_eq!(ids(&*store, Filter::all().sorted("createdAt")).await, ["a", "c", "d", "B"]);
    assert_eq!(ids(&*store, Filter::all().newest_first("createdAt")).await, ["B", "c", "d", "a"]);
    assert_eq!(ids(&*store, Filter::all().newest_first("createdAt").page(1, 2)).await, ["c", "d"]);
    assert_eq!(ids(&*store, Filter::all().page(3, 2)).await, ["d"]);
    assert!(ids(&*store, Filter::all().page(4, 2)).await.is_empty());
    assert!(ids(&*store, Filter::all().page(0, 0)).await.is_empty());
    assert_eq!(store.documents().count(Room::Queries, &Filter::all().page(3, 1)).await.unwrap(), 4);
    let rest = Filter { skip: 2, ..Filter::all() };
    assert_eq!(ids(&*store, rest).await, ["c", "d"]);
}

pub async fn removal_by_filter_takes_what_meets_it_and_ignores_the_page(engine: &impl Engine) {
    let store = engine.open().unwrap();
    for i in 0..1_300 {
        let body = json!({"createdAt": format!("{i:04}")});
        store.documents().insert(Room::Queries, &i.to_string(), &body).await.unwrap();
    }
    let old =
        Filter::all().and(Condition::Below("createdAt", json!("1200"))).newest_first("createdAt").page(5, 1);
    assert_eq!(store.documents().delete_where(Room::Queries, &old).await.unwrap(), 1_200);
    assert_eq!(ids(&*store, Filter::all().sorted("createdAt").page(0, 1)).await, ["1200"]);
    assert_eq!(store.documents().delete_where(Room::Queries, &Filter::all()).await.unwrap(), 100);
}
