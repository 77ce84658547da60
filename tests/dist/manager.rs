//! The manager starts, finds and stops what it started, and nothing else.

use std::path::Path;
use std::process::Command;

use crate::folder::{Unpacked, done, links, refused, status};

fn pid(file: &Path) -> u32 {
    std::fs::read_to_string(file).unwrap().trim().parse().unwrap()
}

#[test]
fn everything_starts_answers_restarts_and_stops_by_one_word_each() {
    let unpacked = Unpacked::new();
    let file = unpacked.top().join("hypercorn.pid");
    let (code, said) = refused(&mut unpacked.manager(&["status"]));
    assert!(code == 3 && said.contains("does not run"), "{code} {said}");

    done(&mut unpacked.manager(&["start"]));
    assert_eq!(status(unpacked.port, "/readyz"), Some(200));
    let first = pid(&file);
    assert!(done(&mut unpacked.manager(&["status"])).contains(&format!("process {first} is ready")));
    assert!(done(&mut unpacked.manager(&["start"])).contains("runs already"));
    assert_eq!(pid(&file), first);

    done(&mut unpacked.manager(&["restart"]));
    assert_ne!(pid(&file), first);
    assert_eq!(status(unpacked.port, "/readyz"), Some(200));

    done(&mut unpacked.manager(&["stop"]));
    assert_eq!(status(unpacked.port, "/readyz"), None);
    assert!(!file.exists());
    let log = std::fs::read_to_string(unpacked.top().join("hypercorn.log")).unwrap();
    assert_eq!(log.matches(" INFO stopped").count(), 2, "{log}");
    assert!(!log.contains('\x1b'), "a file has no colours: {log}");
    assert!(done(&mut unpacked.manager(&["stop"])).contains("does not run"));
}

#[test]
fn the_variables_of_the_original_say_where_files_lie() {
    let unpacked = Unpacked::new();
    let app = unpacked.beside().join("app");
    let with = |words: &[&str]| {
        let mut command = unpacked.manager(words);
        command
            .env("CV3_APP_PATH", &app)
            .env("CV3_PIDFILE", "run/cv3.pid")
            .env("CV3_LOGFILE", "logs/cv3.log");
        command
    };
    done(&mut with(&["start"]));
    assert!(app.join("run/cv3.pid").is_file() && app.join("logs/cv3.log").is_file());
    assert!(app.join("cv3-data/store.db").is_file(), "the data lies where the installation is said to live");
    assert!(!unpacked.top().join("cv3-data").exists());
    done(&mut with(&["stop"]));
    assert!(!app.join("run/cv3.pid").exists());
}

#[test]
fn services_that_are_named_run_in_processes_of_their_own() {
    let unpacked = Unpacked::new();
    done(&mut unpacked.manager(&["start", "admin", "query-compiler"]));
    let (admin, compiler) = (
        pid(&unpacked.top().join("hypercorn-admin.pid")),
        pid(&unpacked.top().join("hypercorn-query-compiler.pid")),
    );
    assert_ne!(admin, compiler);
    let said = done(&mut unpacked.manager(&["status"]));
    assert!(said.contains(&format!("process {admin} is ready")), "{said}");
    assert!(said.contains(&format!("process {compiler} runs")), "{said}");
    done(&mut unpacked.manager(&["stop", "admin"]));
    assert!(done(&mut unpacked.manager(&["status"])).contains("query-compiler"));
    done(&mut unpacked.manager(&["stop"]));
    let (_, said) = refused(&mut unpacked.manager(&["start", "no-such-service"]));
    assert!(said.contains("there is no service no-such-service") && said.contains("scheduler"), "{said}");
}

#[test]
fn a_process_that_got_the_number_of_one_that_died_is_left_alone() {
    let unpacked = Unpacked::new();
    let mut other = Command::new("sleep").arg("600").spawn().unwrap();
    std::fs::write(unpacked.top().join("hypercorn.pid"), format!("{}\n", other.id())).unwrap();
    assert!(done(&mut unpacked.manager(&["stop"])).contains("does not run"));
    assert!(other.try_wait().unwrap().is_none(), "the other process was stopped");
    other.kill().unwrap();
    other.wait().unwrap();
}

#[test]
fn a_start_that_fails_says_why_and_leaves_nothing_behind() {
    let unpacked = Unpacked::new();
    std::fs::write(unpacked.top().join("etc/instance_config.json"), "{\"Appliance\": {\"Listn\": 1}}")
        .unwrap();
    let (_, said) = refused(&mut unpacked.manager(&["start"]));
    assert!(said.contains("did not start") && said.contains("Listn"), "{said}");
    assert!(!unpacked.top().join("hypercorn.pid").exists());
}

#[test]
fn a_new_configuration_is_placed_and_read_by_what_runs() {
    let unpacked = Unpacked::new();
    done(&mut unpacked.manager(&["start"]));
    let new = unpacked.beside().join("new.json");
    std::fs::write(&new, "{\"Logging\": {\"Level\": \"DEBUG\"}}").unwrap();
    done(&mut unpacked.manager(&["update-config", new.to_str().unwrap()]));
    let log = unpacked.top().join("hypercorn.log");
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !std::fs::read_to_string(&log).unwrap().contains("configuration read again") {
        assert!(std::time::Instant::now() < until, "the configuration was not read again");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    std::fs::write(&new, "{\"Appliance\": {\"Listn\": 1}}").unwrap();
    refused(&mut unpacked.manager(&["update-config", new.to_str().unwrap()]));
    let placed = std::fs::read_to_string(unpacked.top().join("etc/instance_config.json")).unwrap();
    assert!(placed.contains("DEBUG"), "{placed}");
}

#[test]
fn links_are_placed_in_a_folder_of_the_path_and_work_from_there() {
    let unpacked = Unpacked::new();
    let path = unpacked.beside().join("bin");
    let (_, said) = refused(&mut unpacked.manager(&["install", path.to_str().unwrap()]));
    assert!(said.contains("is not a folder"), "{said}");
    std::fs::create_dir(&path).unwrap();
    done(&mut unpacked.manager(&["install", path.to_str().unwrap()]));
    for link in links().iter().map(String::as_str).chain(["CafeVariomeV3", "CafeVariome3.sh"]) {
        assert!(path.join(link).is_file(), "{link} leads nowhere");
    }
    let said = done(unpacked.command(path.join("CafeVariomeV3")).args(["cli", "config", "check"]));
    assert!(!said.contains("is not there"), "{said}");
    assert!(done(unpacked.command(path.join("cv3-backend-admin")).arg("--version")).contains("cv3-backend"));
    // Again, after an update to another folder: the links are replaced.
    done(&mut unpacked.manager(&["install", path.to_str().unwrap()]));
}

#[test]
fn words_it_does_not_know_are_answered_with_those_it_knows() {
    let unpacked = Unpacked::new();
    let (code, said) = refused(&mut unpacked.manager(&[]));
    assert!(code == 2 && said.contains("update-config FILE"), "{code} {said}");
    let (_, said) = refused(&mut unpacked.manager(&["begin"]));
    assert!(said.contains("there is no word begin"), "{said}");
}
