//! `Appliance.Privacy`, `.Retention`, `.Limits`, `.Workers`: the numbers the specification leaves to us (§16).

use crate::config::{
    findings::Findings,
    tree::section,
    values::{Days, Seconds, Size},
};

section! {
    /// What answers give away (spec §6.5, §8.6).
    pub struct Privacy {
        /// Subjects that must share an attribute's value before it is listed.
        "MinimumValueCount" minimum_value_count: u32 = 3;
        /// Epsilon of the noise in one range answer; smaller gives wider ranges.
        "Epsilon" epsilon: f64 = 0.15;
        /// What a fresh range answer costs of a user's budget of 100; `config check` prints the epsilon that a budget buys.
        "RangeCost" range_cost: u32 = 5;
    }
}

section! {
    /// How long things are kept (spec §8.9, §14).
    pub struct Retention {
        /// Days for which queries, their answers and messages are kept.
        "QueriesDays" queries: Days = Days::new(30);
        /// Days for which log entries of front ends are kept.
        "LogDays" log: Days = Days::new(90);
        /// Days for which the raw file of a failed job is kept. Also read as `Data.RetainRaw`.
        "RawDays" raw: Days = Days::new(7);
    }
}

section! {
    /// What one caller may ask for.
    pub struct Limits {
        /// Largest upload. Also read as `Data.MaxUploadBytes`.
        "MaxUploadBytes" max_upload_bytes: Size = Size::new(20 << 30);
        /// Largest body of any other request.
        "MaxBodyBytes" max_body_bytes: Size = Size::new(2 << 20);
        /// Event streams that one caller may hold open.
        "EventStreamsPerCaller" event_streams_per_caller: u32 = 5;
        /// Time after which a source counts as failed in a query.
        "SourceSeconds" source: Seconds = Seconds::new(60);
        /// Time after which a node counts as failed in a query.
        "NodeSeconds" node: Seconds = Seconds::new(120);
    }
}

section! {
    /// Jobs that run at the same time in one process; absent means one for each processor.
    pub struct Workers {
        /// Jobs of the database manager.
        "DatabaseManager" database_manager: Option<u32> = None, restart;
        /// Jobs of the record query compiler.
        "QueryCompiler" query_compiler: Option<u32> = None, restart;
        /// Jobs of the meta query compiler.
        "MetaQuery" meta_query: Option<u32> = None, restart;
    }
}

impl Privacy {
    pub(super) fn validate(&self, findings: &mut Findings) {
        let at = |key: &str| format!("Appliance.Privacy.{key}");
        let some = self.minimum_value_count >= 1;
        findings.need(&at("MinimumValueCount"), some, "expected a number of at least 1");
        let private = self.epsilon.is_finite() && self.epsilon >= 0.001 && self.epsilon <= 10.0;
        findings.need(&at("Epsilon"), private, "expected a number from 0.001 to 10");
        let costs = (1..=100).contains(&self.range_cost);
        findings.need(&at("RangeCost"), costs, "expected a number from 1 to 100");
    }
}

impl Retention {
    pub(super) fn validate(&self, findings: &mut Findings) {
        for (key, days) in [("QueriesDays", self.queries), ("LogDays", self.log), ("RawDays", self.raw)] {
            let sane = days.get() <= 36_500;
            findings.need(&format!("Appliance.Retention.{key}"), sane, "expected at most 36500 days");
        }
        let kept = self.queries.get() > 0;
        findings.need("Appliance.Retention.QueriesDays", kept, "expected a number of at least 1");
    }
}

impl Limits {
    pub(super) fn validate(&self, findings: &mut Findings) {
        let at = |key: &str| format!("Appliance.Limits.{key}");
        let uploads = self.max_upload_bytes.get() > 0;
        findings.need(&at("MaxUploadBytes"), uploads, "expected a size above 0");
        // Bodies are held in memory; below 64 KiB the larger published requests would not fit.
        let bodies = (64 << 10..=1 << 30).contains(&self.max_body_bytes.get());
        findings.need(&at("MaxBodyBytes"), bodies, "expected a size from 64 KiB to 1 GiB");
        let streams = (1..=1000).contains(&self.event_streams_per_caller);
        findings.need(&at("EventStreamsPerCaller"), streams, "expected a number from 1 to 1000");
        let (source, node) = (self.source.get(), self.node.get());
        findings.need(&at("SourceSeconds"), (1..=86_400).contains(&source), "expected 1 second to 1 day");
        findings.need(&at("NodeSeconds"), (1..=86_400).contains(&node), "expected 1 second to 1 day");
        let expected =
            "expected at least Appliance.Limits.SourceSeconds, or every slow source fails its node";
        findings.need(&at("NodeSeconds"), node >= source, expected);
    }
}

impl Workers {
    pub(super) fn validate(&self, findings: &mut Findings) {
        let all = [
            ("DatabaseManager", self.database_manager),
            ("QueryCompiler", self.query_compiler),
            ("MetaQuery", self.meta_query),
        ];
        for (key, count) in all {
            let sane = count.is_none_or(|count| (1..=1024).contains(&count));
            findings.need(&format!("Appliance.Workers.{key}"), sane, "expected a number from 1 to 1024");
        }
    }
}
