//! What people and scripts are told of a mount.

use super::*;
use crate::member::config::RemoteName;
use crate::member::control::{ConflictReport, ControlPath, Parked, Pending};
use crate::model::{MemberName, Role, Sequence, SpaceName, Version};

fn report() -> StatusReport {
    StatusReport {
        mount_point: "/mnt/notes".into(),
        state_directory: "/state".into(),
        pid: 7,
        supervision: None,
        remote: RemoteName::new("work").unwrap(),
        space: SpaceName::new("notes").unwrap(),
        visit: None,
        member: MemberName::new("laptop").unwrap(),
        role: Some(Role::Writer),
        read_only: false,
        connection: ConnectionState::Connected,
        since: Timestamp { seconds: 50_520, nanos: 0 },
        position: Some(Sequence(41)),
        head: Some(Sequence(41)),
        pending: Pending::default(),
        parked: Vec::new(),
        conflicts: Vec::new(),
        not_materialized: Pending::default(),
        content: ContentStanding::default(),
        disk_full: false,
        quota: None,
        bad_patterns: Vec::new(),
        trouble: None,
        notice: None,
    }
}

fn summary_of(report: &StatusReport) -> String {
    summary_at(report, Timestamp { seconds: 51_000, nanos: 0 }, &TimeZone::UTC)
}

fn conflict() -> ConflictReport {
    ConflictReport {
        path: ControlPath(b"a.txt".to_vec()),
        copy: Some(ControlPath(b"a (conflict laptop).txt".to_vec())),
        member: Some(MemberName::new("laptop").unwrap()),
        kind: "put-put".into(),
        what: "changed by laptop and by another".into(),
        base: Some(Version(1)),
        remote: Version(2),
        local: Some(Version(1)),
        time: Timestamp { seconds: 50_520, nanos: 0 },
        held: false,
    }
}

#[test]
fn a_visit_says_what_it_shows_and_that_it_is_one() {
    let visit = StatusReport { visit: Some(Sequence(41)), role: None, read_only: true, ..report() };
    assert_eq!(who(&visit), "@41 (a visit, read-only)");
    assert_eq!(summary(&visit), "as it was at sequence 41");
    assert_eq!(exit_code(&visit), Exit::Done);
    assert_eq!(to_json(&visit)["visit"], 41);
}

#[test]
fn a_mount_in_sync_says_so_and_ends_with_0() {
    assert_eq!(summary_of(&report()), "in sync at sequence 41");
    assert_eq!(exit_code(&report()), Exit::Done);
    let empty = StatusReport { position: None, head: None, ..report() };
    assert_eq!(summary_of(&empty), "in sync, nothing in it yet");
    assert_eq!(exit_code(&empty), Exit::Done);
}

#[test]
fn waiting_work_and_an_absent_hub_are_told_in_names() {
    let waiting = StatusReport {
        connection: ConnectionState::Unreachable("no route".into()),
        pending: Pending { ops: 3, files: 3, bytes: 1_258_291 },
        ..report()
    };
    assert_eq!(summary_of(&waiting), "3 files, 1.2 MiB waiting, hub unreachable since 14:02");
    assert_eq!(exit_code(&waiting), Exit::Waiting);
    assert!(details(&waiting).contains(&"no route".to_owned()));
}

#[test]
fn whatever_is_not_done_keeps_a_mount_from_being_in_sync() {
    let some = Pending { ops: 1, files: 1, bytes: 5 };
    let cases = [
        (StatusReport { head: Some(Sequence(42)), ..report() }, "catching up with the hub, 1 commit behind"),
        (StatusReport { connection: ConnectionState::Connecting, ..report() }, "connecting to the hub"),
        (StatusReport { not_materialized: some, ..report() }, "1 file, 5 B still to come"),
        (StatusReport { pending: Pending { ops: 2, files: 0, bytes: 0 }, ..report() }, "2 changes waiting"),
        (
            StatusReport { not_materialized: some, disk_full: true, ..report() },
            "1 file, 5 B still to come, the disk is too full for remote content",
        ),
    ];
    for (report, expected) in cases {
        assert_eq!(summary_of(&report), expected);
        assert_eq!(exit_code(&report), Exit::Waiting, "{expected}");
    }
    let trouble = StatusReport { trouble: Some("the hub is full".into()), ..report() };
    assert_eq!(exit_code(&trouble), Exit::Waiting);
    assert!(details(&trouble).contains(&"the hub is full".to_owned()));
}

#[test]
fn a_conflict_is_named_with_its_copy_and_ends_with_4() {
    let report = StatusReport { conflicts: vec![conflict()], ..report() };
    let line =
        "conflict: a.txt (changed by laptop and by another), the other version is in a (conflict laptop).txt";
    assert!(details(&report).contains(&line.to_owned()), "{:?}", details(&report));
    assert_eq!(exit_code(&report), Exit::Conflicts);
}

#[test]
fn conflicts_are_counted_and_the_oldest_has_an_age() {
    let later = ConflictReport { time: Timestamp { seconds: 60_000, nanos: 0 }, ..conflict() };
    let now = Timestamp { seconds: 50_520 + 7_200, nanos: 0 };
    let of = |conflicts| conflict_count(&StatusReport { conflicts, ..report() }, now);
    assert_eq!(of(vec![]), None);
    assert_eq!(of(vec![conflict()]).unwrap(), "1 conflict, 2 h ago (fl0wfs resolve settles it)");
    let two = of(vec![later, conflict()]).unwrap();
    assert_eq!(two, "2 conflicts, the oldest 2 h ago (fl0wfs resolve settles them)");
}

#[test]
fn a_refusal_outweighs_conflicts_and_ends_with_5() {
    let refused = Parked { path: ControlPath(b"b".to_vec()), reason: "you may only read".into() };
    let parked = StatusReport { parked: vec![refused], conflicts: vec![conflict()], ..report() };
    assert_eq!(exit_code(&parked), Exit::Refused);
    assert!(details(&parked).contains(&"refused: b (you may only read)".to_owned()));
    let revoked = StatusReport { connection: ConnectionState::Refused("revoked".into()), ..report() };
    assert_eq!(exit_code(&revoked), Exit::Refused);
    assert_eq!(summary_of(&revoked), "refused by the hub since 14:02");
}

#[test]
fn long_lists_are_cut_and_counted() {
    let report = StatusReport { conflicts: vec![conflict(); 25], ..report() };
    let lines = details(&report);
    assert_eq!(lines.len(), 1 + 1 + LISTED_MAX + 1);
    assert_eq!(lines.last().unwrap(), "and 5 more (all of them with --json)");
}

#[test]
fn json_has_stable_names_and_no_trouble_with_odd_paths() {
    let mut conflict = conflict();
    conflict.path = ControlPath(b"\xff.txt".to_vec());
    let report = StatusReport { conflicts: vec![conflict], ..report() };
    let json = to_json(&report);
    assert_eq!(json["mount"], "/mnt/notes");
    assert_eq!(json["sequence"], 41);
    assert_eq!(json["pending"]["bytes"], 0);
    assert_eq!(json["conflicts"][0]["path"], "\\xff.txt");
    assert_eq!(json["since"], "1970-01-01T14:02:00Z");
    assert!(!json.to_string().contains('\n'));
}

#[test]
fn of_several_mounts_the_worst_counts() {
    assert_eq!(worse(Exit::Done, Exit::Waiting), Exit::Waiting);
    assert_eq!(worse(Exit::Refused, Exit::Conflicts), Exit::Refused);
    assert_eq!(worse(Exit::Refused, Exit::Failed), Exit::Failed);
}

#[test]
fn what_an_administrator_decided_is_told_and_keeps_no_mount_from_being_in_sync() {
    let report = StatusReport { notice: Some("3 removals are discarded".into()), ..report() };
    assert!(details(&report).contains(&"3 removals are discarded".to_owned()));
    assert_eq!(exit_code(&report), Exit::Done);
}

#[test]
fn s14_a_mount_says_since_when_it_is_connected_and_how_far_behind_it_is() {
    let heading =
        |report: &StatusReport| heading(report, Timestamp { seconds: 50_600, nanos: 0 }, &TimeZone::UTC);
    let connected = StatusReport { head: Some(Sequence(44)), ..report() };
    assert!(heading(&connected).ends_with(", connected since 14:02"), "{}", heading(&connected));
    assert_eq!(summary_of(&connected), "catching up with the hub, 3 commits behind");
    assert_eq!(to_json(&connected)["behind"], 3);
    let gone = StatusReport { connection: ConnectionState::Unreachable("no route".into()), ..report() };
    assert!(!heading(&gone).contains("since"), "{}", heading(&gone));
}

#[test]
fn a_quota_is_shown_and_that_it_is_used_up() {
    let with = |used_bytes| {
        let quota = Some(Quota { limit_bytes: 20 << 30, used_bytes });
        StatusReport { quota, ..report() }
    };
    assert!(
        details(&with(3 << 20)).contains(&"quota: 3.0 MiB of 20.0 GiB".to_owned()),
        "{:?}",
        details(&with(3 << 20))
    );
    assert!(details(&with(20 << 30))[1].contains("used up"));
    assert_eq!(to_json(&with(5))["quota"], json!({ "limit_bytes": 20u64 << 30, "used_bytes": 5 }));
    assert_eq!(to_json(&report())["quota"], Value::Null);
}
