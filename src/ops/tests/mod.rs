//! Verbs tried on small trees, by named cases, and laws tried on random sequences.

mod build;
mod conflicts;
mod content;
mod laws;
mod limits;
mod moves;
mod names;
mod succession;
mod well_formed;

use super::*;
use build::*;
