<?php
ini_set('display_errors', '0');
ini_set('html_errors', '0');
throw new Exception('hidden');
