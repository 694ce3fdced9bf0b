# Net::SMTP, with IO::Socket::SSL and Authen::SASL: HOST PORT TLS CA USER PASSWORD JOB...
use strict;
use warnings;
use Net::SMTP;

my ($host, $port, $tls, $ca, $user, $password, @jobs) = @ARGV;
my %trust = (SSL_ca_file => $ca, SSL_verifycn_name => 'localhost');
my $smtp = Net::SMTP->new($host, Port => $port, Hello => 'perl.example', SSL => $tls eq 'implicit', %trust)
    or die "connect: $@";
if ($tls eq 'starttls') { $smtp->starttls(%trust) or die 'STARTTLS: ' . $smtp->message; }
if ($user ne '') { $smtp->auth($user, $password) or die 'AUTH: ' . $smtp->message; }
for my $job (@jobs) {
    open(my $list, '<', "$job/envelope") or die $!;
    chomp(my ($sender, @recipients) = <$list>);
    open(my $raw, '<:raw', "$job/message.eml") or die $!;
    my $message = do { local $/; <$raw> };
    $smtp->mail($sender) or die 'MAIL: ' . $smtp->message;
    $smtp->to(@recipients) or die 'RCPT: ' . $smtp->message;
    $smtp->data($message) or die 'DATA: ' . $smtp->message;
}
$smtp->quit or die 'QUIT: ' . $smtp->message;
