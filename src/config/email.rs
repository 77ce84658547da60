//! `Email`: how notices leave, spec §3.1 and §14.4.

use super::{
    findings::Findings,
    tree::section,
    values::{Port, Secret, SmtpTls, is_loopback_host},
};

section! {
    /// Mail over SMTP (spec §3.1).
    pub struct Email {
        /// The visible sender.
        "From" from: From = From::default();
        /// Address in the envelope and the `Sender` header when it differs from the visible one.
        "Sender" sender: String = String::new();
        /// The server that takes the mail.
        "SMTP" smtp: Smtp = Smtp::default();
    }
}

section! {
    /// The visible sender.
    pub struct From {
        /// Address of the visible sender; required when the section is present.
        "Address" address: String = String::new();
        /// Name of the visible sender.
        "Name" name: String = String::new();
    }
}

section! {
    /// The server that takes the mail.
    pub struct Smtp {
        /// Host.
        "Host" host: String = "localhost".to_owned();
        /// Port; 465 means encrypted from the start, on others encryption is used whenever it is offered.
        "Port" port: Port = Port::new(25);
        /// Forces how the connection is protected.
        "TLS" tls: Option<SmtpTls> = None;
        /// Signing in at the server.
        "Authentication" authentication: Authentication = Authentication::default();
    }
}

section! {
    /// Signing in at the mail server.
    pub struct Authentication {
        /// Whether the server wants it.
        "Required" required: bool = false;
        /// User name.
        "Username" username: String = String::new();
        /// Password.
        "Password" password: Secret<String> = Secret::default();
    }
}

/// A rough check that catches a name in the wrong key and a line break (which would forge headers).
fn looks_like_address(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"<>,".contains(c);
    !local.is_empty() && !domain.is_empty() && text.chars().all(plain)
}

impl Email {
    pub(super) fn validate(&self, findings: &mut Findings) {
        let expected = "expected a mail address, because the section is present";
        findings.need("Email.From.Address", looks_like_address(&self.from.address), expected);
        findings.need(
            "Email.From.Name",
            !self.from.name.contains(char::is_control),
            "expected a name without line breaks",
        );
        let sender = self.sender.is_empty() || looks_like_address(&self.sender);
        findings.need("Email.Sender", sender, "expected a mail address or nothing");
        findings.need("Email.SMTP.Host", !self.smtp.host.trim().is_empty(), "expected a host");
        let sign_in = &self.smtp.authentication;
        if sign_in.required {
            let named = !sign_in.username.is_empty();
            findings.need("Email.SMTP.Authentication.Username", named, "expected a user name");
            let clear = self.smtp.tls == Some(SmtpTls::None) && !is_loopback_host(&self.smtp.host);
            let expected = "expected starttls or tls, because a password is never sent unencrypted";
            findings.need("Email.SMTP.TLS", !clear, expected);
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("a@example.org", true)]
    #[case("Example Admin", false)]
    #[case("a@example.org\r\nBcc: b@example.org", false)]
    #[case("@example.org", false)]
    fn mail_addresses_are_told_from_names(#[case] text: &str, #[case] address: bool) {
        assert_eq!(looks_like_address(text), address);
    }
}
