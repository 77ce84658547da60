//! Signing in and managing people, the same suite with each identity provider.
//!
//! Lives here: the suite (`suite`), what only providers besides our own can be asked (`outside`, `setup`, `moving`, `adapter`), the
//! providers (`provider`), an installation at one of them (`house`), and a line between the two that can be cut (`relay`).
//! The three providers: the built-in issuer, always; a stand-in for Keycloak (oidc-provider behind Keycloak's addresses)
//! and a real Keycloak where `tests/services/up` has started them and `CV3_TEST_SERVICES` names its address file. A test
//! whose provider is not there says so and does nothing.
//! To add a promise: a function in `suite` or `outside`, and its name in the lists below.

mod adapter;
pub mod house;
mod moving;
mod outside;
pub mod provider;
mod relay;
mod setup;
mod suite;

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Mutex;
use std::time::Duration;

use provider::Provider;

/// Each promise as a test of each provider that can keep it.
macro_rules! promises {
    (@each $module:ident, $names:tt, $($which:ident),*) => {
        $(promises!(@one $module, $which, $names);)*
    };
    (@one $module:ident, $which:ident, [$($name:ident),*]) => {
        mod $which {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    if let Some(provider) = super::super::Provider::$which() {
                        let started = std::time::Instant::now();
                        super::super::$module::$name(&provider).await;
                        super::super::kept(&provider, started.elapsed());
                    }
                }
            )*
        }
    };
    ($module:ident: [$($name:ident),* $(,)?], $($which:ident),*) => {
        pub(super) const PROMISES: usize = [$(stringify!($name)),*].len();
        promises!(@each $module, [$($name),*], $($which),*);
    };
}

/// Says once, when a provider has kept its last promise, which it was and how long all took. Written past the test
/// harness, which shows only what failing tests print.
fn kept(provider: &Provider, took: Duration) {
    static KEPT: Mutex<BTreeMap<String, (usize, Duration)>> = Mutex::new(BTreeMap::new());
    let all = match provider {
        Provider::BuiltIn => everywhere::PROMISES,
        Provider::Outside(_) => {
            everywhere::PROMISES
                + outside_providers::PROMISES
                + first_account::PROMISES
                + another_issuer::PROMISES
                + port::PROMISES
        }
    };
    let mut kept = KEPT.lock().unwrap();
    let (promises, time) = kept.entry(provider.to_string()).or_default();
    *promises += 1;
    *time += took;
    if *promises == all {
        say(&format!(
            "sign-in and people with {provider}: {promises} promises kept, {:.1} s",
            time.as_secs_f64()
        ));
    }
}

/// Writes a line past the test harness.
fn say(line: &str) {
    std::io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
}

mod everywhere {
    promises!(suite: [
        a_person_signs_in_with_a_code_and_stays,
        the_return_address_is_found_by_the_published_order,
        people_are_made_listed_changed_and_stopped,
        tokens_that_are_none_are_refused,], built_in, stand_in, keycloak);
}

mod outside_providers {
    promises!(outside: [
        a_stranger_waits_for_approval,
        a_token_is_asked_about_once_in_a_while,
        foreign_expired_and_service_tokens_are_refused,
        new_keys_are_found_where_signatures_are_checked_here,
        a_provider_that_is_down_is_said_and_comes_back,
        another_client_secret_is_taken_up_without_a_restart,
        the_doctor_names_what_the_client_lacks,
        attributes_of_others_stay,
        many_accounts_are_listed_with_few_calls,
        another_provider_signs_people_in_and_nothing_more,], stand_in, keycloak);
}

mod first_account {
    promises!(setup: [
        the_first_account_is_the_clients_admin,
        installing_without_a_terminal_makes_the_first_account_once,
        a_start_makes_the_first_account_that_the_environment_names], stand_in, keycloak);
}

mod another_issuer {
    promises!(moving: [
        accounts_follow_their_people_to_another_issuer], stand_in, keycloak);
}

mod port {
    promises!(adapter: [
        clients_of_others_are_made_and_removed,
        a_token_is_exchanged_for_a_partner_and_not_for_others,
        lists_come_in_pages_ordered_by_name,
        our_own_account_may_have_an_address,
        an_unknown_key_is_looked_for_once_a_minute,
        three_kinds_of_signatures_are_read,
        a_token_ends_by_our_clock_where_it_is_read_here,
        the_back_channel_may_fail_and_slashes_do_not_matter,
        people_of_another_provider_get_an_id_of_ours_and_are_not_managed,], stand_in, keycloak);
}
