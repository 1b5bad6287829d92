//! A volume's behaviour, without a kernel.

mod blocks;
mod captures;
mod closing;
mod ignored;
mod names;
mod orphans;
mod passages;
mod power;
mod quota;
mod resume;
mod support;
