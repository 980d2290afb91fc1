#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0 OR MIT
# picture.pl TOOL BOARD CPU [png=FILE] [WORD...]: what a user program of the board drew into the
# memory of its display (ports/qemu/display) is asked of the emulator, and compared pixel by pixel
# with the picture that it must be: worked out here from the sizes that the board's leaves can have,
# and from the one page that was taken from the program. Prints the differences and last of all how
# many there are; exits with 1 if there was one. png: keep the picture there.
use strict;
use warnings;
use File::Temp;
use IO::Socket::UNIX;

use constant SECONDS => 60;
use constant { PAGE => 4096, WIDTH => 1024, HEIGHT => 768, TAKEN_ROW => 200, MEMORY => 64 << 20 };

my %sizes = (arm64 => [12, 16, 21, 25, 30], x86_64 => [12, 21, 30]);
my %colours = (12 => [255, 80, 64], 16 => [64, 192, 96], 21 => [64, 128, 255], 25 => [255, 192, 32]);

my ($tool, $board, $cpu, @words) = @ARGV;
my ($png) = map { /^png=(.*)/ ? $1 : () } @words;
@words = grep { !/^png=/ } @words;
my $folder = File::Temp->newdir();
my @differences;

local $SIG{ALRM} = sub { die "the picture took more than @{[SECONDS]} s\n" };
alarm SECONDS;

# The largest leaf that fits the memory and leaves the taken page out; lg2 of its bytes.
sub leaf_of_row {
	my ($row, $taken) = @_;
	my ($largest) = grep { 1 << $_ <= MEMORY && ($row == ($taken // -1) ? $_ == 12
		: !defined $taken || $row * PAGE >> $_ != $taken * PAGE >> $_) }
		reverse @{$sizes{$board}};
	return $largest;
}

# "31x64K" for each size that the memory has then.
sub leaves {
	my ($taken) = @_;
	my (%pages, @text);
	$pages{leaf_of_row($_, $taken)}++ for 0 .. MEMORY / PAGE - 1;
	for (sort { $a <=> $b } keys %pages) {
		my $size = (1 << $_ % 10) . (qw(B K M G))[$_ / 10];
		push @text, $pages{$_} * PAGE / (1 << $_) . "x$size";
	}
	return "@text";
}

sub differ { push @differences, join(' ', @_) }

# What the board says, up to the picture.
sub read_board {
	my ($from) = @_;
	my %said = (mapped => 'nothing', 'one page of it read-only' => 'nothing');
	my ($faulted, $drawn) = ('no row', 0);
	while (my $line = <$from>) {
		last if $drawn = $line =~ /^display: drawn$/;
		$said{$1} = $2 if $line =~ /^display: ([a-z -]+): (.*)$/;
		$faulted = $1 if $line =~ /^display: the program faulted in row ([0-9]+)$/;
	}
	die "the board ended before the picture was drawn\n" unless $drawn;
	my ($whole, $split) = (leaves(undef), leaves(TAKEN_ROW));
	differ("mapped in $said{mapped}, want $whole") if $said{mapped} ne $whole;
	differ("split into $said{'one page of it read-only'}, want $split")
		if $said{'one page of it read-only'} ne $split;
	differ("a fault in $faulted, want @{[TAKEN_ROW]}") if $faulted ne TAKEN_ROW;
}

# What the monitor prints up to its next prompt.
sub hear {
	my ($monitor) = @_;
	my $text = '';
	until ($text =~ /\(qemu\) \z/) {
		sysread($monitor, $text, 1 << 16, length $text) or die "the monitor went away\n";
	}
	return $text;
}

sub ask {
	my ($monitor, $command) = @_;
	syswrite($monitor, "$command\n") or die "the monitor does not listen\n";
	my $answer = hear($monitor);
	die "$command: $answer\n" if $answer =~ /Error/;
}

# The screen, three bytes a pixel.
sub screen {
	my ($monitor) = @_;
	ask($monitor, "screendump $folder/screen.ppm");
	ask($monitor, "screendump $png -f png") if defined $png;
	open(my $file, '<:raw', "$folder/screen.ppm") or die "the monitor wrote no picture: $!\n";
	local $/;
	my $text = <$file>;
	$text =~ s/\AP6\s+(\d+)\s+(\d+)\s+255\s//a or die "the monitor's picture is no PPM\n";
	die "the screen has $1 x $2 pixels\n" if $1 != WIDTH || $2 != HEIGHT;
	return $text;
}

# A row, as it must be.
sub row {
	my ($y) = @_;
	return pack('C*', map { (255 - ($_ >> 3), 255 - ($y >> 3), 255) } 0 .. WIDTH - 1) if $y == TAKEN_ROW;
	my $shift = leaf_of_row($y, TAKEN_ROW);
	my @colour = @{$colours{$shift}};
	@colour = map { $_ >> 1 } @colour if $y * PAGE >> $shift & 1;
	return pack('C*', map { my $light = 128 + ($_ >> 3); map { $_ * $light >> 8 } @colour }
		0 .. WIDTH - 1);
}

sub judge {
	my ($screen) = @_;
	die "the picture has @{[length $screen]} bytes\n" if length $screen != 3 * WIDTH * HEIGHT;
	for my $y (0 .. HEIGHT - 1) {
		my ($is, $want) = (substr($screen, 3 * WIDTH * $y, 3 * WIDTH), row($y));
		next if $is eq $want;
		for my $x (0 .. WIDTH - 1) {
			my ($one, $other) = map { unpack('H*', substr($_, 3 * $x, 3)) } $is, $want;
			differ("pixel $x, $y is $one, want $other") if $one ne $other;
		}
	}
}

my $pid = open(my $output, '-|', $tool, 'qemu', $board, '--cpu', $cpu, '--display', '--timeout',
	SECONDS, '--monitor', "$folder/monitor", @words) or die "$tool: $!\n";
END {
	local $?;
	kill 'TERM', $pid if $pid;
	close $output if $output;
}

read_board($output);
my $monitor = IO::Socket::UNIX->new(Peer => "$folder/monitor") or die "the monitor's socket: $!\n";
hear($monitor);
judge(screen($monitor));

splice(@differences, 20, @differences - 20, '...') if (my $all = @differences) > 20;
print map { "$_\n" } @differences;
print WIDTH * HEIGHT, " pixels: $all differ\n";
exit($all ? 1 : 0);
