complete -c pulse-tail -s n -l lines -d 'Only the last N, or all [default: 10; all with a cursor or --since]' -r
complete -c pulse-tail -s S -l since -d 'Nothing before TIME: "2026-11-22 17:00", 17:00, yesterday, -5min, "10 minutes ago"' -r
complete -c pulse-tail -s U -l until -d 'Nothing after TIME' -r
complete -c pulse-tail -s c -l cursor -d 'Begin with the event at CURSOR' -r
complete -c pulse-tail -l after-cursor -d 'Begin behind the event at CURSOR' -r
complete -c pulse-tail -l cursor-file -d 'Begin behind the cursor in FILE if it is there, and keep the place in it' -r -F
complete -c pulse-tail -s t -l tag -d 'Only these tags; * stands for any text (repeatable)' -r
complete -c pulse-tail -s p -l priority -d 'Only LEVEL and worse, or a range: err..alert' -r
complete -c pulse-tail -s u -l unit -d 'Only these systemd units; * stands for any text (repeatable)' -r
complete -c pulse-tail -s g -l grep -d 'Only messages with this in them; without regard to case unless it has a capital' -r
complete -c pulse-tail -l slower -d 'Only what took longer: 100ms, 1.5s' -r
complete -c pulse-tail -s o -l output -d 'What each event becomes' -r -f -a "short\t'as in journalctl: time, host, tag, message, fields'
short-iso\t'the same, with RFC 3339 times'
json\t'the event line itself'
cat\t'the message only'
logfmt\t'every key as key=value, on one line'
verbose\t'every key on a line of its own'"
complete -c pulse-tail -l color -d 'Colours by level [auto: on a terminal, unless NO_COLOR is set]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c pulse-tail -l count -d 'End after N events' -r
complete -c pulse-tail -l until-match -d 'End with 0 after the first of these events that matches; with 1 if there is none' -r
complete -c pulse-tail -l timeout -d 'End with 124 after DUR' -r
complete -c pulse-tail -l socket -d 'The agent\'s socket [env: PULSED_SOCKET] [default: your own agent\'s, else the system\'s]' -r -F
complete -c pulse-tail -l server -d 'An agent on another machine, by its TCP bridge, under TLS [default PORT: 7465]' -r
complete -c pulse-tail -l ca -d 'Trust only the certificates in FILE (PEM) to vouch for the server, not the system\'s' -r -F
complete -c pulse-tail -l token-file -d 'The file that holds the token for the server [env: PULSED_TOKEN]' -r -F
complete -c pulse-tail -s f -l follow -d 'Go on with what comes; survives a restart of the agent'
complete -c pulse-tail -s r -l reverse -d 'The newest first'
complete -c pulse-tail -l utc -d 'Times in UTC'
complete -c pulse-tail -l no-hostname -d 'Leave the host out'
complete -c pulse-tail -s a -l all -d 'Show long messages and values in full'
complete -c pulse-tail -s q -l quiet -d 'No notices on stderr'
complete -c pulse-tail -l show-cursor -d 'Print the last cursor at the end'
complete -c pulse-tail -l stats -d 'Sum up instead: rate, tags, levels, durations, what runs now'
complete -c pulse-tail -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pulse-tail -s V -l version -d 'Print version'
