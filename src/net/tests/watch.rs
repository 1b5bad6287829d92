//! Hearing of the network, in a network namespace of this test's own.

use super::*;
use std::process::Command;

/// Runs `test` on a thread with a network of its own; false where there is no way to have and change one.
fn in_a_network_of_its_own(test: impl FnOnce() + Send + 'static) -> bool {
    if Command::new("ip").arg("-V").output().is_err() {
        return false;
    }
    let thread = std::thread::spawn(move || {
        // SAFETY: changes this thread's network namespace only, and the thread ends with the test.
        let alone = unsafe { libc::unshare(libc::CLONE_NEWNET) } == 0;
        if alone {
            test();
        }
        alone
    });
    thread.join().expect("the test passes")
}

fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status().expect("ip is installed");
    assert!(status.success(), "ip {arguments}");
}

#[test]
fn a_network_that_comes_back_is_heard_of_and_one_that_goes_is_not() {
    let ran = in_a_network_of_its_own(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut watch = NetworkWatch::new();
            let quiet = Duration::from_millis(300);
            assert!(timeout(quiet, watch.changed()).await.is_err(), "nothing has happened");
            ip("link set lo up");
            soon(watch.changed()).await;
            ip("address add 192.0.2.7/32 dev lo");
            soon(watch.changed()).await;
            while timeout(quiet, watch.changed()).await.is_ok() {}
            ip("address del 192.0.2.7/32 dev lo");
            assert!(timeout(quiet, watch.changed()).await.is_err(), "what is gone is no news");
        });
    });
    if !ran {
        eprintln!("not tested: this user may make no network namespace, or there is no ip command");
    }
}
