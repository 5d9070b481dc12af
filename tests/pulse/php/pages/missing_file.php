<?php
include __DIR__ . '/there_is_none.php';
require __DIR__ . '/there_is_none.php';
