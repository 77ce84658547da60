//! The front door: its certificate and the front ends it serves (design: Addresses; spec §2.2).

use std::path::PathBuf;

use super::super::{findings::Findings, tree::section};

section! {
    /// Certificate and key of the front door; the files are read again when they change.
    pub struct Tls {
        /// File with the certificate and its chain, PEM.
        "Certificate" certificate: PathBuf = PathBuf::new(), restart;
        /// File with the private key, PEM.
        "Key" key: PathBuf = PathBuf::new(), restart;
    }
}

section! {
    /// Folders with the files of front ends, served by the front door; each has an `index.html`.
    pub struct FrontEnds {
        /// Folder of the front end at `/`, administration.
        "Admin" admin: Option<PathBuf> = None, restart;
        /// Folder of the front end at `/discover`, record queries.
        "Discover" discover: Option<PathBuf> = None, restart;
        /// Folder of the front end at `/meta-discover`, meta queries.
        "MetaDiscover" meta_discover: Option<PathBuf> = None, restart;
        /// `Content-Security-Policy` of these files; empty means one that lets them call this installation and its issuer.
        "ContentSecurityPolicy" content_security_policy: String = String::new(), restart;
    }
}

impl Tls {
    pub(super) fn validate(&self, findings: &mut Findings) {
        for (path, file) in
            [("Appliance.TLS.Certificate", &self.certificate), ("Appliance.TLS.Key", &self.key)]
        {
            let given = !file.as_os_str().is_empty();
            findings.need(path, given, "expected a file, because Appliance.TLS is present");
        }
    }
}

impl FrontEnds {
    /// Gives the folders, each with its key and the path it is served at.
    pub fn folders(&self) -> impl Iterator<Item = (&'static str, &'static str, &PathBuf)> {
        let all = [
            ("Admin", "/", &self.admin),
            ("Discover", "/discover", &self.discover),
            ("MetaDiscover", "/meta-discover", &self.meta_discover),
        ];
        all.into_iter().filter_map(|(key, path, folder)| Some((key, path, folder.as_ref()?)))
    }

    pub(super) fn validate(&self, findings: &mut Findings) {
        for (key, _, folder) in self.folders() {
            let given = !folder.as_os_str().is_empty();
            findings.need(&format!("Appliance.FrontEnds.{key}"), given, "expected a folder");
        }
        let policy = self.content_security_policy.chars().all(|c| c == ' ' || c.is_ascii_graphic());
        let expected = "expected directives on one line, in ASCII";
        findings.need("Appliance.FrontEnds.ContentSecurityPolicy", policy, expected);
    }
}
