//! From the start of the process to its first answers, and what it holds while nothing happens.

use std::time::{Duration, Instant};

use anyhow::Context;

use crate::Bench;
use crate::home::Folder;
use crate::load::{Client, installed};
use crate::machine::resident;
use crate::query::Question;
use crate::report::Target::{AtMost, Open};
use crate::report::Unit;
use crate::server::Server;

pub fn first_answers(bench: &mut Bench) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let times = bench.size(5, 3);
    let (mut alive, mut ready) = (Vec::new(), Vec::new());
    for _ in 0..times {
        let folder = Folder::new()?;
        let mut server = Server::start(&folder, false)?;
        alive.push(server.first("/healthz")?);
        ready.push(server.first("/readyz")?);
    }
    bench.report.time("very first start: first answer", &alive, AtMost(1.0));
    bench.report.time("very first start: ready", &ready, Open);
    let installed = runtime.block_on(installed(&bench.terms, 2_000))?;
    let (mut alive, mut ready, mut answered) = (Vec::new(), Vec::new(), Vec::new());
    let mut dice = crate::dice::Dice(31);
    for _ in 0..times {
        let start = Instant::now();
        let mut server = Server::start(&installed.folder, false)?;
        alive.push(server.first("/healthz")?);
        ready.push(server.first("/readyz")?);
        let client = Client::new(&installed)?;
        runtime.block_on(client.ask(&Question::draw(&installed.cohort, &mut dice).body().to_string()))?;
        answered.push(start.elapsed());
    }
    bench.report.time("existing folder of 2000 subjects: first answer", &alive, AtMost(0.1));
    bench.report.time("existing folder: ready", &ready, AtMost(0.1));
    bench.report.time("existing folder: first query asked and answered", &answered, Open);
    Ok(())
}

pub fn idle(bench: &mut Bench) -> anyhow::Result<()> {
    let folder = Folder::new()?;
    let mut server = Server::start(&folder, true)?;
    let ready = server.first("/readyz")?;
    std::thread::sleep(Duration::from_secs(20).saturating_sub(ready));
    let what = "all services in one process, resident after";
    let held = || resident(server.process()).context("the server is gone");
    bench.report.figure(&format!("{what} 20 s"), &[held()?], Unit::Bytes, Open);
    if !bench.quick {
        std::thread::sleep(Duration::from_secs(40));
        bench.report.figure(
            &format!("{what} 60 s"),
            &[held()?],
            Unit::Bytes,
            AtMost(40.0 * f64::from(1 << 20)),
        );
    }
    Ok(())
}
