//! A volume's behaviour, without a kernel.

mod captures;
mod ignored;
mod names;
mod orphans;
mod power;
mod resume;
mod support;
