# Perl's Net::FTP: a download and an upload that it gives up, each followed by others.
use strict;
use warnings;
use Net::FTP;

my ($port, $ca, $user, $password, $folder) = @ARGV;

sub check { my ($ok, $what) = @_; die "$what failed\n" unless $ok }

my $f = Net::FTP->new("127.0.0.1", Port => $port, SSL_ca_file => $ca, Passive => 1, Timeout => 30)
    or die "no connection: $@\n";
check($f->starttls, "starttls");
check($f->login($user, $password), "login");
check($f->binary, "binary");
check($f->cwd($folder), "cwd");

for my $round (1 .. 3) {
    my $part;
    my $data = $f->retr("big") or die "retr failed\n";
    check($data->read($part, 1000), "read");
    $data->abort;
    check($f->code == 226, "abort of a download: " . $f->message);
    check(defined $f->pwd, "pwd");

    $data = $f->stor("cut") or die "stor failed\n";
    check($data->write("x" x 1000, 1000), "write");
    $data->abort;
    check(defined $f->pwd, "pwd behind an upload");

    $f->abort;                  # of nothing
    check($f->code == 226, "abort of nothing: " . $f->message);
    check($f->size("big") == 64 << 20, "size");
}
check($f->quit, "quit");
print "in step\n";
