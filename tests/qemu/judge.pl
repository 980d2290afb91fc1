#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0 OR MIT
# judge.pl TOOL IMAGE BOARD CPU [WORD...]: what the test image says that its tables translate
# (tests/mmu/judge.h) is asked of the emulator's monitor, which walks them by itself: every address
# with gva2gpa, and on x86_64 every leaf with info tlb. Prints each difference and last of all their
# numbers; exits with 1 if there was one.
#
# Numbers stay text, without leading zeros: a perl may have 32 bits.
use strict;
use warnings;
use File::Temp;
use IO::Socket::UNIX;

use constant SECONDS => 60;

# Slot of IA32_PAT by memory type: write-back, write-through, write-protected, gathering, device,
# strictest device. Bits 0 and 1 are PWT and PCD, bit 2 is PAT.
my @slot_of_type = (0, 7, 5, 1, 2, 3);

my ($tool, $image, $board, $cpu, @words) = @ARGV;
my $folder = File::Temp->newdir();
my $socket = "$folder/monitor";
my ($asked, $leaves, @differences) = (0, 0);

local $SIG{ALRM} = sub { die "the judgement took more than @{[SECONDS]} s\n" };
alarm SECONDS;

sub plain { my ($number) = @_; $number =~ s/^0x//; $number =~ s/^0+(?=.)//; return lc $number }

# What the board says: addresses as pairs, leaves as [va, pa, lg2 bytes, letters].
sub read_board {
	my ($from) = @_;
	my (@addresses, @told);
	while (my $line = <$from>) {
		return (\@addresses, \@told) if $line =~ /^judge ready$/;
		if ($line =~ /^judge va (0x[0-9a-f]+) pa (0x[0-9a-f]+|none)$/) {
			push @addresses, [plain($1), $2 eq 'none' ? $2 : plain($2)];
		} elsif ($line =~ /^judge leaf (0x[0-9a-f]+) (0x[0-9a-f]+) ([0-9]+) ([a-z0-9,]+)$/) {
			push @told, [plain($1), plain($2), $3, $4];
		} elsif ($line =~ /^judge/) {
			die "the board said: $line";
		}
	}
	die "the board ended before it was ready\n";
}

# What the monitor prints up to its next prompt.
sub hear {
	my ($monitor) = @_;
	my $text = '';
	until ($text =~ /\(qemu\) \z/) {
		sysread($monitor, $text, 1 << 16, length $text) or die "the monitor went away\n";
	}
	$text =~ s/\(qemu\) \z//;
	return $text;
}

# The answer to a command: the echo of the command is the first line.
sub ask {
	my ($monitor, $command) = @_;
	syswrite($monitor, "$command\n") or die "the monitor does not listen\n";
	my $text = hear($monitor);
	$text =~ s/\r//g;
	$text =~ s/^[^\n]*\n//;
	return $text;
}

sub differ { push @differences, join(' ', @_) }

sub judge_addresses {
	my ($monitor, $addresses) = @_;
	for (@$addresses) {
		my ($va, $pa) = @$_;
		my $answer = ask($monitor, "gva2gpa 0x$va");
		my $found = $answer =~ /^gpa: (0x[0-9a-f]+)$/m ? plain($1)
			: $answer =~ /^Unmapped$/m ? 'none' : die "gva2gpa 0x$va: $answer\n";
		differ("va 0x$va: the table says pa $pa, the monitor $found") if $found ne $pa;
		$asked++;
	}
}

# The flags of info tlb as the board's letters would have them. P is bit 7 of the entry; the dirty
# mark of a leaf that may not be written is in a software bit, because D without W is a shadow stack.
sub flags_of_leaf {
	my ($lg2, $letters) = @_;
	my %has = map { $_ => 1 } split /,/, $letters;
	my ($type) = $letters =~ /t([0-9]+)/ or die "leaf of no type: $letters\n";
	my $slot = $slot_of_type[$type] // die "memory type $type is none of x86_64\n";
	my $large = $lg2 > 12 || $slot & 4;
	return join '', map { $_->[0] ? $_->[1] : '-' } (
		[!$has{x}, 'X'], [$has{g}, 'G'], [$large, 'P'], [$has{d} && $has{w}, 'D'], [$has{a}, 'A'],
		[$slot & 2, 'C'], [$slot & 1, 'T'], [$has{u}, 'U'], [$has{w}, 'W']);
}

# "VA: PA FLAGS" of each, by VA.
sub judge_leaves {
	my ($monitor, $told) = @_;
	my %told = map { $_->[0] => "$_->[1] " . flags_of_leaf(@$_[2, 3]) } @$told;
	for (split /\n/, ask($monitor, 'info tlb')) {
		/^([0-9a-f]{16}): ([0-9a-f]{16}) ([A-Z-]{9})$/ or die "info tlb: $_\n";
		my ($va, $is) = (plain($1), plain($2) . " $3");
		my $want = delete $told{$va} // 'no leaf';
		differ("leaf 0x$va: the table says $want, the monitor $is") if $want ne $is;
		$leaves++;
	}
	differ("leaf 0x$_: the table says $told{$_}, the monitor no leaf") for sort keys %told;
}

my $pid = open(my $output, '-|', $tool, 'qemu', $board, '--cpu', $cpu, '--image', $image,
	'--timeout', SECONDS, '--monitor', $socket, 'judge', @words) or die "$tool: $!\n";
END {
	local $?;
	kill 'TERM', $pid if $pid;
	close $output if $output;
}

my ($addresses, $told) = read_board($output);
die "the board told no address\n" unless @$addresses;
my $monitor = IO::Socket::UNIX->new(Peer => $socket) or die "the monitor's socket: $!\n";
hear($monitor);
judge_addresses($monitor, $addresses);
judge_leaves($monitor, $told) if $board eq 'x86_64';

splice(@differences, 20, @differences - 20, '...') if (my $all = @differences) > 20;
print map { "$_\n" } @differences;
print "$asked addresses, $leaves leaves: $all differ\n";
exit($all ? 1 : 0);
