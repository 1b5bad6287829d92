#!/bin/bash
# Twenty rounds of kill -9 with a whole source tree.
exec "$(dirname "$0")/../kill.sh" 20 15000
