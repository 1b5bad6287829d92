//! Tests of configuration: where it is, and that it survives.

use super::*;
use crate::net::PublicKey;

fn find(variables: &[(&str, &str)], is_root: bool) -> Result<Home, ConfigError> {
    let variable = |name: &str| {
        let found = variables.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| PathBuf::from(value))
    };
    Home::find(&Surroundings { variable: &variable, is_root, user_id: 4_000_000 })
}

fn config(hub: u8, space: &str) -> RemoteConfig {
    let joined = JoinedSpace { member: MemberName::new("laptop").unwrap(), role: Role::Writer };
    RemoteConfig {
        host: "hub.example.org".into(),
        port: 4733,
        hub: PublicKey([hub; 32]).fingerprint(),
        spaces: [(SpaceName::new(space).unwrap(), joined)].into(),
    }
}

#[test]
fn one_variable_puts_everything_under_one_directory_even_for_root() {
    for is_root in [false, true] {
        let home = find(&[("FL0WFS_HOME", "/x"), ("HOME", "/h")], is_root).unwrap();
        assert_eq!(home, Home::under(Path::new("/x")));
        assert_eq!(home.device_key(), Path::new("/x/config/device.key"));
    }
}

#[test]
fn root_needs_no_home() {
    let home = find(&[("XDG_CONFIG_HOME", "/c")], true).unwrap();
    assert_eq!(home.device_key(), Path::new("/etc/fl0wfs/device.key"));
    assert_eq!(home.hub_data(), Path::new("/var/lib/fl0wfs/hub"));
    assert_eq!(home.mounts(), Path::new("/run/fl0wfs/mounts"));
}

#[test]
fn users_have_xdg_directories_or_their_defaults() {
    let home = find(&[("HOME", "/h")], false).unwrap();
    assert_eq!(home.device_key(), Path::new("/h/.config/fl0wfs/device.key"));
    let space = SpaceName::new("notes").unwrap();
    let state = home.member_state(&RemoteName::new("work").unwrap(), &space);
    assert_eq!(state, Path::new("/h/.local/state/fl0wfs/members/work/notes"));
    assert_eq!(home.mounts(), Path::new("/h/.local/state/fl0wfs/run/mounts"));
    let home = find(&[("HOME", "/h"), ("XDG_STATE_HOME", "/s"), ("XDG_CONFIG_HOME", "relative")], false);
    assert_eq!(home.as_ref().unwrap().hub_data(), Path::new("/s/fl0wfs/hub"));
    assert_eq!(home.unwrap().device_key(), Path::new("/h/.config/fl0wfs/device.key"));
    assert!(matches!(find(&[], false), Err(ConfigError::NoHome)));
}

#[test]
fn a_remote_gathers_the_spaces_that_were_joined() {
    let directory = tempfile::tempdir().unwrap();
    let home = Home::under(directory.path());
    let name = RemoteName::new("work").unwrap();
    home.add_space(&name, config(1, "notes")).unwrap();
    home.add_space(&name, config(1, "code")).unwrap();
    let known = home.read_remote(&name).unwrap();
    assert_eq!(known.spaces.keys().map(SpaceName::as_str).collect::<Vec<_>>(), ["code", "notes"]);
    let (remote, member) = known.space(&name, &SpaceName::new("code").unwrap()).unwrap();
    assert_eq!((remote.port, member.as_str()), (4733, "laptop"));
    let other = known.space(&name, &SpaceName::new("other").unwrap());
    assert!(matches!(other, Err(ConfigError::NotJoined { .. })));
    assert_eq!(home.list_remotes().unwrap(), [(name, known)]);
}

#[test]
fn a_remote_is_private_and_never_silently_another_hub() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let home = Home::under(directory.path());
    let name = RemoteName::new("work").unwrap();
    home.add_space(&name, config(1, "notes")).unwrap();
    let mode = fs::metadata(home.remote_file(&name)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let other = home.add_space(&name, config(2, "notes"));
    assert!(matches!(other, Err(ConfigError::OtherHub(_))), "{other:?}");
    assert_eq!(home.read_remote(&name).unwrap(), config(1, "notes"));
    home.remove_remote(&name).unwrap();
    assert!(matches!(home.remove_remote(&name), Err(ConfigError::UnknownRemote(_))));
    assert_eq!(home.list_remotes().unwrap(), []);
}

#[test]
fn a_damaged_remote_is_named_by_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let home = Home::under(directory.path());
    let name = RemoteName::new("work").unwrap();
    home.add_space(&name, config(1, "notes")).unwrap();
    fs::write(home.remote_file(&name), "{").unwrap();
    let error = home.read_remote(&name).unwrap_err();
    assert!(error.to_string().contains("remotes/work.json"), "{error}");
}

#[test]
fn host_names_become_plain_names() {
    let cases = [
        ("Laptop", "laptop"),
        ("my_host.local", "my-host-local"),
        ("--x--", "x"),
        ("Büro", "b-ro"),
        ("", "member"),
        ("***", "member"),
        ("abcdefghijklmnopqrstuvwxyz-0123456789", "abcdefghijklmnopqrstuvwxyz-01234"),
    ];
    for (text, plain) in cases {
        assert_eq!(plain_name(text, "member"), plain, "{text}");
        assert!(MemberName::new(plain).is_ok());
    }
}
