//! Whose process it is: names and groups of the container's own `/etc/passwd` and `/etc/group`.
//! Source: moby/sys `user/user.go` (`GetExecUser`, `GetAdditionalGroups`), moby `daemon/oci_linux.go` (`getUser`).

use crate::error::{Error, Result};
use std::path::Path;
use tierce_fsops::Root;
use tierce_oci::runtime::User;

/// Larger files are no user lists.
const LARGEST: u64 = 16 << 20;
const OUT_OF_RANGE: &str = "uids and gids must be in range 0-2147483647";

/// Resolves a user with the files beneath a root directory that is not trusted. A missing file is an empty one.
pub fn resolve_beneath(root: &Path, user: &str, groups: &[String]) -> Result<User> {
    let root = Root::open(root).map_err(Error::below)?;
    resolve_in(&root, user, groups)
}

/// [`resolve_beneath`] for a root that is open already.
pub fn resolve_in(root: &Root, user: &str, groups: &[String]) -> Result<User> {
    let read = |path: &str| {
        let bytes = root.read(Path::new(path), LARGEST).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    resolve(user, groups, &read("/etc/passwd"), &read("/etc/group"))
}

struct Account<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
}

struct Group<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

fn accounts(text: &str) -> impl Iterator<Item = Account<'_>> {
    text.lines().filter_map(|line| {
        let mut fields = line.trim().split(':');
        let name = fields.next()?;
        let _password = fields.next()?;
        Some(Account {
            name,
            uid: fields.next()?.parse().ok()?,
            gid: fields.next()?.parse().ok()?,
        })
    })
}

fn groups(text: &str) -> impl Iterator<Item = Group<'_>> {
    text.lines().filter_map(|line| {
        let mut fields = line.trim().split(':');
        let name = fields.next()?;
        let _password = fields.next()?;
        Some(Group {
            name,
            gid: fields.next()?.parse().ok()?,
            members: fields.next().unwrap_or_default(),
        })
    })
}

/// A number as Go's `strconv.Atoi` takes it.
fn number(text: &str) -> Option<i64> {
    text.parse().ok()
}

fn in_range(id: i64) -> Result<u32> {
    u32::try_from(id)
        .ok()
        .filter(|id| i32::try_from(*id).is_ok())
        .ok_or_else(|| Error::Invalid(OUT_OF_RANGE.to_owned()))
}

/// Resolves `user[:group]` (names or numbers; empty: root) and further groups against the texts of the two files.
pub fn resolve(text: &str, additional: &[String], passwd: &str, group: &str) -> Result<User> {
    let (user_word, group_word) = text.split_once(':').unwrap_or((text, ""));
    let user_number = number(user_word);
    let account = accounts(passwd).find(|account| {
        if user_word.is_empty() {
            account.uid == 0
        } else {
            account.name == user_word || user_number == Some(account.uid.into())
        }
    });
    let (uid, mut gid) = match (&account, user_number) {
        (Some(account), _) => (account.uid, account.gid),
        (None, _) if user_word.is_empty() => (0, 0),
        (None, Some(number)) => (in_range(number)?, 0),
        (None, None) => {
            return Err(Error::Invalid(format!(
                "unable to find user {user_word}: no matching entries in passwd file"
            )));
        }
    };
    let mut gids = Vec::new();
    if group_word.is_empty() {
        if let Some(account) = &account {
            gids.extend(
                groups(group)
                    .filter(|group| group.members.split(',').any(|member| member == account.name))
                    .map(|group| group.gid),
            );
        }
    } else {
        let wanted = number(group_word);
        let found = groups(group).find(|group| group.name == group_word || wanted == Some(group.gid.into()));
        gid = match (found, wanted) {
            (Some(found), _) => found.gid,
            (None, Some(number)) => in_range(number)?,
            (None, None) => {
                return Err(Error::Invalid(format!(
                    "unable to find group {group_word}: no matching entries in group file"
                )));
            }
        };
    }
    let mut additional_gids = vec![gid];
    for word in additional {
        let wanted = number(word);
        let found = groups(group).find(|group| group.name == word || wanted == Some(group.gid.into()));
        gids.push(match (found, wanted) {
            (Some(found), _) => found.gid,
            (None, Some(number)) => in_range(number)?,
            (None, None) => {
                return Err(Error::Invalid(format!(
                    "unable to find group {word}: no matching entries in group file"
                )));
            }
        });
    }
    additional_gids.extend(gids);
    Ok(User {
        uid,
        gid,
        additional_gids,
        ..User::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nbob:x:1000:1001::/home/bob:/bin/sh\nbroken\n";
    const GROUP: &str = "root:x:0:\nbob:x:1001:\nstaff:x:50:alice,bob\nwheel:x:10:root\n";

    fn ids(text: &str, additional: &[&str]) -> (u32, u32, Vec<u32>) {
        let additional: Vec<String> = additional.iter().map(|word| (*word).to_owned()).collect();
        let user = resolve(text, &additional, PASSWD, GROUP).unwrap();
        (user.uid, user.gid, user.additional_gids)
    }

    #[test]
    fn names_and_numbers_resolve_as_dockers_do() {
        assert_eq!(ids("", &[]), (0, 0, vec![0, 10]));
        assert_eq!(ids("bob", &[]), (1000, 1001, vec![1001, 50]));
        assert_eq!(ids("1000", &[]), (1000, 1001, vec![1001, 50]));
        assert_eq!(ids("bob:staff", &[]), (1000, 50, vec![50]));
        assert_eq!(ids("77", &[]), (77, 0, vec![0]));
        assert_eq!(ids("77:88", &["staff", "99"]), (77, 88, vec![88, 50, 99]));
    }

    #[test]
    fn what_cannot_be_found_is_named() {
        let text = |user: &str| resolve(user, &[], PASSWD, GROUP).unwrap_err().to_string();
        assert_eq!(
            text("nouser"),
            "unable to find user nouser: no matching entries in passwd file"
        );
        assert_eq!(
            text("bob:nog"),
            "unable to find group nog: no matching entries in group file"
        );
        assert_eq!(text("4294967295"), OUT_OF_RANGE);
        assert_eq!(text("-1"), OUT_OF_RANGE);
    }

    #[test]
    fn links_in_the_root_do_not_lead_out() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("etc")).unwrap();
        std::os::unix::fs::symlink("../../../../../../etc/passwd", directory.path().join("etc/passwd")).unwrap();
        // The link leads to itself inside the root, so nothing is found there.
        assert!(resolve_beneath(directory.path(), "daemon", &[]).is_err());
    }

    proptest! {
        #[test]
        fn hostile_files_never_panic(user in ".{0,12}", passwd in ".{0,80}", group in ".{0,80}") {
            let _ = resolve(&user, &[], &passwd, &group);
        }
    }
}
