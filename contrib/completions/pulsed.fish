# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_pulsed_global_optspecs
    string join \n config= h/help V/version
end

function __fish_pulsed_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_pulsed_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_pulsed_using_subcommand
    set -l cmd (__fish_pulsed_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c pulsed -n "__fish_pulsed_needs_command" -l config -d 'Read the configuration from FILE [default: /etc/pulsed/pulsed.toml, or unless you are root ~/.config/pulsed/pulsed.toml]' -r -F
complete -c pulsed -n "__fish_pulsed_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pulsed -n "__fish_pulsed_needs_command" -s V -l version -d 'Print version'
complete -c pulsed -n "__fish_pulsed_needs_command" -f -a "check" -d 'Check the configuration'
complete -c pulsed -n "__fish_pulsed_needs_command" -f -a "status" -d 'Show the status of a running agent'
complete -c pulsed -n "__fish_pulsed_needs_command" -f -a "token" -d 'Manage the tokens of the TCP bridge'
complete -c pulsed -n "__fish_pulsed_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pulsed -n "__fish_pulsed_using_subcommand check" -l config -d 'Read the configuration from FILE [default: /etc/pulsed/pulsed.toml, or unless you are root ~/.config/pulsed/pulsed.toml]' -r -F
complete -c pulsed -n "__fish_pulsed_using_subcommand check" -s h -l help -d 'Print help'
complete -c pulsed -n "__fish_pulsed_using_subcommand status" -l config -d 'Read the configuration from FILE [default: /etc/pulsed/pulsed.toml, or unless you are root ~/.config/pulsed/pulsed.toml]' -r -F
complete -c pulsed -n "__fish_pulsed_using_subcommand status" -l json -d 'Print one JSON object'
complete -c pulsed -n "__fish_pulsed_using_subcommand status" -s h -l help -d 'Print help'
complete -c pulsed -n "__fish_pulsed_using_subcommand token; and not __fish_seen_subcommand_from add list revoke help" -l config -d 'Read the configuration from FILE [default: /etc/pulsed/pulsed.toml, or unless you are root ~/.config/pulsed/pulsed.toml]' -r -F
complete -c pulsed -n "__fish_pulsed_using_subcommand token; and not __fish_seen_subcommand_from add list revoke help" -s h -l help -d 'Print help'
complete -c pulsed -n "__fish_pulsed_using_subcommand token; and not __fish_seen_subcommand_from add list revoke help" -f -a "add" -d 'Create a token and print it: it is never shown again'
complete -c pulsed -n "__fish_pulsed_using_subcommand token; and not __fish_seen_subcommand_from add list revoke help" -f -a "list" -d 'List the tokens'
complete -c pulsed -n "__fish_pulsed_using_subcommand token; and not __fish_seen_subcommand_from add list revoke help" -f -a "revoke" -d 'Revoke a token and disconnect its clients'
complete -c pulsed -n "__fish_pulsed_using_subcommand token; and not __fish_seen_subcommand_from add list revoke help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pulsed -n "__fish_pulsed_using_subcommand token; and __fish_seen_subcommand_from add" -l send -d 'Allow sending these tags, such as \'shop.*\' (repeatable)' -r
complete -c pulsed -n "__fish_pulsed_using_subcommand token; and __fish_seen_subcommand_from add" -l tail -d 'Allow following these tags (repeatable)' -r
complete -c pulsed -n "__fish_pulsed_using_subcommand token; and __fish_seen_subcommand_from add" -l config -d 'Read the configuration from FILE [default: /etc/pulsed/pulsed.toml, or unless you are root ~/.config/pulsed/pulsed.toml]' -r -F
complete -c pulsed -n "__fish_pulsed_using_subcommand token; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help'
complete -c pulsed -n "__fish_pulsed_using_subcommand token; and __fish_seen_subcommand_from list" -l config -d 'Read the configuration from FILE [default: /etc/pulsed/pulsed.toml, or unless you are root ~/.config/pulsed/pulsed.toml]' -r -F
complete -c pulsed -n "__fish_pulsed_using_subcommand token; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c pulsed -n "__fish_pulsed_using_subcommand token; and __fish_seen_subcommand_from revoke" -l config -d 'Read the configuration from FILE [default: /etc/pulsed/pulsed.toml, or unless you are root ~/.config/pulsed/pulsed.toml]' -r -F
complete -c pulsed -n "__fish_pulsed_using_subcommand token; and __fish_seen_subcommand_from revoke" -s h -l help -d 'Print help'
complete -c pulsed -n "__fish_pulsed_using_subcommand token; and __fish_seen_subcommand_from help" -f -a "add" -d 'Create a token and print it: it is never shown again'
complete -c pulsed -n "__fish_pulsed_using_subcommand token; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the tokens'
complete -c pulsed -n "__fish_pulsed_using_subcommand token; and __fish_seen_subcommand_from help" -f -a "revoke" -d 'Revoke a token and disconnect its clients'
complete -c pulsed -n "__fish_pulsed_using_subcommand token; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pulsed -n "__fish_pulsed_using_subcommand help; and not __fish_seen_subcommand_from check status token help" -f -a "check" -d 'Check the configuration'
complete -c pulsed -n "__fish_pulsed_using_subcommand help; and not __fish_seen_subcommand_from check status token help" -f -a "status" -d 'Show the status of a running agent'
complete -c pulsed -n "__fish_pulsed_using_subcommand help; and not __fish_seen_subcommand_from check status token help" -f -a "token" -d 'Manage the tokens of the TCP bridge'
complete -c pulsed -n "__fish_pulsed_using_subcommand help; and not __fish_seen_subcommand_from check status token help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pulsed -n "__fish_pulsed_using_subcommand help; and __fish_seen_subcommand_from token" -f -a "add" -d 'Create a token and print it: it is never shown again'
complete -c pulsed -n "__fish_pulsed_using_subcommand help; and __fish_seen_subcommand_from token" -f -a "list" -d 'List the tokens'
complete -c pulsed -n "__fish_pulsed_using_subcommand help; and __fish_seen_subcommand_from token" -f -a "revoke" -d 'Revoke a token and disconnect its clients'
