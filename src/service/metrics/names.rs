//! Every figure that is counted, once: a new one is a line here and one in `docs/metrics.md`.
//!
//! None is ever labelled with a user, a subject or a source.

/// Something that is counted over all processes of an installation and since its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    pub name: &'static str,
    pub help: &'static str,
    /// Whether it is a time, kept as a histogram over [`BOUNDS`].
    pub timed: bool,
}

/// Upper bounds of the buckets of times, in seconds; what is longer counts under the last, `+Inf`.
pub const BOUNDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Answered requests by `service`, `method`, `route` and `status`.
pub const REQUESTS: Counted =
    Counted { name: "cv3_http_requests_total", help: "Requests that were answered.", timed: false };

/// How long requests took, by `service`; event streams until their beginning.
pub const REQUEST_SECONDS: Counted =
    Counted { name: "cv3_http_request_seconds", help: "Time from a request to its answer.", timed: true };

/// Record queries that this installation answered, by `level` asked for and `outcome`.
pub const QUERIES: Counted =
    Counted { name: "cv3_record_queries_total", help: "Record queries that were worked on.", timed: false };

/// How long the answers of record queries took to compute.
pub const QUERY_SECONDS: Counted =
    Counted { name: "cv3_record_query_seconds", help: "Time to answer a record query.", timed: true };

/// Attempts of jobs that ended, by `queue`, `kind` and `outcome`.
pub const JOBS: Counted =
    Counted { name: "cv3_jobs_total", help: "Attempts of jobs that ended.", timed: false };

/// How long attempts took, by `queue`.
pub const JOB_SECONDS: Counted =
    Counted { name: "cv3_job_seconds", help: "Time of an attempt of a job.", timed: true };

/// Of a process with TLS: name and help of what is looked up, not counted.
pub const CERTIFICATE_EXPIRES: (&str, &str) = (
    "cv3_tls_certificate_expires_seconds",
    "When the certificate of the front door ends, in seconds since 1970.",
);

/// As above.
pub const CERTIFICATE_USABLE: (&str, &str) = (
    "cv3_tls_certificate_files_usable",
    "Whether the files hold a pair that can be used: 1 or 0; with 0 the one before is served.",
);

/// All that are counted.
pub const COUNTED: [Counted; 6] = [REQUESTS, REQUEST_SECONDS, QUERIES, QUERY_SECONDS, JOBS, JOB_SECONDS];
