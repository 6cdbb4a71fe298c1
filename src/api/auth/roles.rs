//! Who calls and what they may.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// What a caller may be allowed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// To read reports, measurements, runs.
    Read,
    /// To run graphs; to read too.
    Run,
    /// To send measurements, and nothing else.
    Ingest,
    /// Everything.
    Admin,
}

impl Role {
    pub const ALL: [Role; 4] = [Role::Read, Role::Run, Role::Ingest, Role::Admin];

    /// As it stands in tokens and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Role::Read => "read",
            Role::Run => "run",
            Role::Ingest => "ingest",
            Role::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The word exactly: `Admin`, ` admin` and `read admin` are no roles.
impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Role, String> {
        let named = Role::ALL.into_iter().find(|role| role.word() == text);
        named.ok_or_else(|| "roles are read, run, ingest and admin".to_string())
    }
}

/// The roles that a caller was given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roles(BTreeSet<Role>);

impl Roles {
    /// Whether they cover what is needed: `admin` is all of them, `run` is `read` too.
    pub fn allow(&self, needed: Role) -> bool {
        let has = |role| self.0.contains(&role);
        has(needed) || has(Role::Admin) || (needed == Role::Read && has(Role::Run))
    }

    /// As given, without what they imply.
    pub fn iter(&self) -> impl Iterator<Item = Role> + '_ {
        self.0.iter().copied()
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Roles {
        Roles(roles.into_iter().collect())
    }
}

/// Who calls. A handler finds it among the extensions of its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The token's `sub`; `anonymous` where no token is asked for.
    pub subject: String,
    pub roles: Roles,
}

impl Caller {
    /// Whoever is on this machine, where no token is asked for.
    pub fn anonymous() -> Caller {
        Caller { subject: "anonymous".to_string(), roles: Roles::from_iter([Role::Admin]) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_imply_what_they_say_and_no_more() {
        for (given, allowed) in [
            (Role::Read, vec![Role::Read]),
            (Role::Run, vec![Role::Read, Role::Run]),
            (Role::Ingest, vec![Role::Ingest]),
            (Role::Admin, Role::ALL.to_vec()),
        ] {
            let roles = Roles::from_iter([given]);
            let may: Vec<Role> = Role::ALL.into_iter().filter(|needed| roles.allow(*needed)).collect();
            assert_eq!(may, allowed, "{given}");
            assert_eq!(given.word().parse(), Ok(given));
        }
        assert!(Role::ALL.into_iter().all(|role| !Roles::default().allow(role)));
        for word in ["", "Admin", " admin", "admin ", "read admin", "аdmin", "admin\0"] {
            assert!(word.parse::<Role>().is_err(), "{word:?}");
        }
    }
}
