//! How good merges are on real material: sources, JSON and XML files that happen to be on the machine.
//!
//! Cases are made from what cargo has unpacked and what is installed, by a fixed seed, and nothing foreign is
//! kept. Text is compared with `git merge-file`, documents with the edits they were made of. Where material or git is
//! missing a test says so and passes. This file does not test rules; those have named cases beside the code.

#![allow(clippy::disallowed_methods)]

mod documents;
mod edits;
mod material;
mod text;
